"""The constants of the demo world: its steps, its messages, its coefficients.

One idea, one file: whoever wants to know what was planted reads this and
`truth.json`. Rates are per day, probabilities on the logit scale, times in
seconds unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HOST = "https://www.example.com"

AWARENESS, CONSIDERATION, DECISION = range(3)
STAGES = ("awareness", "consideration", "decision")


@dataclass(frozen=True)
class World:
    """Coefficients of the hazard: effect F of the sequence, and b of fit, engagement, level."""

    effect: float
    fit: float
    engagement: float
    level: float


WORLDS = {
    "planted": World(effect=2.5, fit=0.5, engagement=0.6, level=0.15),
    "confounded": World(effect=1.0, fit=0.5, engagement=0.9, level=0.15),
    "null": World(effect=1.0, fit=0.0, engagement=0.0, level=0.0),
}

BASE_HAZARD = 0.00025
"""h₀, conversions per prospect and day where every trait is zero; the same in every world."""

SEQUENCE = ("comparison_guide", "demo_video", "pricing_visit")
SEQUENCE_WITHIN_DAYS = 30
EFFECT_DAYS = 30

OPEN_INTERCEPT, OPEN_TASTE = -0.5, 0.8
GOAL_ENGAGEMENT, GOAL_WEEK, GOAL_JUMP, GOAL_STAGE = 0.8, 0.5, 0.9, 0.7
VISIT_ENGAGEMENT, VISIT_WEEK = 0.6, 0.4
WEEK_CORRELATION, WEEK_SD = 0.8, 0.5

PROXY_SHARE = 0.40
SCANNER_SECONDS = (1.0, 20.0)

MESSAGE_EVERY_DAYS, MESSAGE_JITTER_HOURS = 4, 12

BOUNCE_SHARE = 0.015
"""Addresses that do not exist: the first message bounces, the second is dropped."""

UNSUBSCRIBE_INTERCEPT, UNSUBSCRIBE_ENGAGEMENT = -5.3, -0.5
SPAM_REPORT_PROBABILITY = 0.0008
DEFERRED_SHARE = 0.02
DISQUALIFIED_PER_DAY = 0.0003
LOST_DEALS_PER_DAY = 0.0004
REPLY_PER_DAY = 0.001

DUPLICATE_SHARE, LATE_SHARE, MALFORMED_SHARE = 0.01, 0.02, 0.005
LATE_DAYS = 5.0
DRIFT_AT = 2 / 3
"""Share of the period after which arrivals come from another mix of sources and countries."""


@dataclass(frozen=True)
class Page:
    """One Segment row of a visit: its event, its path, its properties, seconds before the end."""

    event: str
    path: str
    before: float = 0.0
    properties: str = ""


def _viewed(path: str, before: float) -> Page:
    return Page("Page Viewed", path, before, f'"path":"{path}"')


def _video(percent: int, before: float) -> Page:
    event = "Video Completed" if percent == 100 else "Video Progress"
    properties = f'"video":"product-demo","percent":{percent}'
    return Page(event, "/videos/product-demo", before, properties)


def _assessment(page: int, before: float) -> Page:
    properties = f'"assessment":"solution-fit","page":{page},"pages":5'
    return Page("Assessment Page Completed", "/assessment", before, properties)


@dataclass(frozen=True)
class Step:
    """A micro-conversion of the world.

    Attributes
    ----------
    stage, commitment : int
        As in the journey map of params.yaml.
    rate : float
        exp(a) of the self-directed rate a day; 0 where only an email leads there.
    appeal : float
        a_step of the goal formula, used where a message asks for this step.
    pages : tuple of Page
        What the website sends when it is done, in order; empty where the click
        in the email is the whole of it.
    reach : tuple of float
        Of the visits that start, the share that gets as far as each of the last
        pages of `pages` (the first of them is the start, so 1).
    form : bool
        Whether doing it tells the website who the visitor is.
    """

    name: str
    stage: int
    commitment: int
    rate: float = 0.0
    appeal: float = -1.0
    pages: tuple[Page, ...] = ()
    reach: tuple[float, ...] = (1.0,)
    form: bool = False


# fmt: off
STEPS = (
    Step("about_visit", AWARENESS, 1, 0.006, -0.7, (_viewed("/about", 0),)),
    Step(
        "brand_video", AWARENESS, 1, 0.002, -0.7,
        (
            _viewed("/videos/brand-story", 95),
            Page("Video Completed", "/videos/brand-story", 0, '"video":"brand-story"'),
        ),
    ),
    Step("blog_read", AWARENESS, 1, 0.009, pages=(_viewed("/blog/first-steps", 0),)),
    Step("social_follow", AWARENESS, 1),
    Step("resource_click", AWARENESS, 1, appeal=-0.5),
    Step(
        "preference_survey", AWARENESS, 2, appeal=-0.6, form=True,
        pages=(_viewed("/survey", 70), Page("Survey Completed", "/survey", 0, '"questions":4')),
    ),
    Step(
        "comparison_guide", CONSIDERATION, 2, 0.007, -0.6, form=True,
        pages=(
            _viewed("/library", 40),
            Page("Guide Downloaded", "/library", 0, '"guide":"comparison"'),
        ),
    ),
    Step(
        "case_study", CONSIDERATION, 2, 0.004, -0.7, (_viewed("/cases/harbour-logistics", 0),)
    ),
    Step("topic_subscription", CONSIDERATION, 2, appeal=-3.6),
    Step("feature_visit", CONSIDERATION, 2, 0.007, pages=(_viewed("/features/planning", 0),)),
    Step(
        "demo_video", CONSIDERATION, 2, 0.010, -0.6,
        (_video(25, 180), _video(50, 120), _video(75, 60), _video(100, 0)),
        reach=(1.0, 0.92, 0.66, 0.60),
    ),
    Step(
        "solution_assessment", CONSIDERATION, 3, 0.0012, -0.7, form=True,
        pages=(
            _viewed("/assessment", 260),
            _assessment(1, 210), _assessment(2, 160), _assessment(3, 105), _assessment(4, 55),
            _assessment(5, 4),
            Page("Assessment Completed", "/assessment", 0, '"assessment":"solution-fit"'),
        ),
        reach=(1.0, 0.93, 0.50, 0.46, 0.43, 0.43),
    ),
    Step("pricing_visit", CONSIDERATION, 3, 0.016, -0.6, (_viewed("/pricing", 0),)),
    Step(
        "email_reply", CONSIDERATION, 3, REPLY_PER_DAY, form=True,
        pages=(Page("Reply Received", "/inbox", 0, '"channel":"email"'),),
    ),
    Step(
        "reference_request", DECISION, 4, 0.0008, -0.7, form=True,
        pages=(
            _viewed("/customers", 60),
            Page("Reference Requested", "/customers", 0, '"industry":"logistics"'),
        ),
    ),
    Step(
        "roi_calculator", DECISION, 4, 0.0015, form=True,
        pages=(_viewed("/roi", 120), Page("ROI Calculated", "/roi", 0, '"seats":25')),
    ),
    Step(
        "live_chat", DECISION, 4, 0.0012, form=True,
        pages=(Page("Chat Started", "/contact", 0, '"topic":"sales"'),),
    ),
    Step(
        "webinar", DECISION, 4, 0.0008, form=True,
        pages=(Page("Webinar Attended", "/webinars/rollout", 0, '"webinar":"rollout"'),),
    ),
    Step(
        "cart_add", DECISION, 5, 0.0006, -0.7, form=True,
        pages=(
            _viewed("/shop", 45),
            Page("Product Added", "/shop", 0, '"product_id":"team-plan","quantity":1'),
        ),
    ),
)
# fmt: on
"""The micro-conversions that the world can make; the codes used everywhere are positions here.

The rates of the sequence's three steps rise from first to third so that in
which order they come together says little about engagement: whoever visits
more repeats the earlier ones more, which makes the order likelier.
"""

CODE = {step.name: code for code, step in enumerate(STEPS)}

MULTI_STEP = tuple(code for code, step in enumerate(STEPS) if len(step.reach) > 1)
"""Steps that can be started and left."""


@dataclass(frozen=True)
class Message:
    """One message of the nurture sequence.

    Attributes
    ----------
    link : str
        Where its goal link leads.
    clicked : bool
        The click in the email is the goal itself; else the website reports it.
    arms : dict of str to (str, str, float)
        Variant → subject, call to action, and the factor on the probability of the goal.
    share : float
        Share of the prospects whose messages carry the second variant.
    """

    goal: str
    link: str
    clicked: bool
    arms: dict[str, tuple[str, str, float]] = field(default_factory=dict)
    share: float = 0.5


MESSAGES = (
    Message(
        "resource_click",
        f"{HOST}/resources/checklist",
        True,
        {"": ("A checklist for your first week", "Open the checklist", 1.0)},
    ),
    Message(
        "brand_video",
        f"{HOST}/videos/brand-story",
        False,
        {
            "A": ("Why we started", "Watch our story", 1.0),
            "B": ("The story behind the product", "Watch our story", 1.0),
        },
    ),
    Message(
        "preference_survey",
        f"{HOST}/survey",
        False,
        {
            "A": ("Four questions", "Take the survey", 1.0),
            "B": ("Four questions", "Choose what we send you", 1.25),
        },
    ),
    Message(
        "comparison_guide",
        f"{HOST}/guides/comparison.pdf",
        True,
        {"": ("How the options compare", "Get the comparison guide", 1.0)},
    ),
    Message(
        "case_study",
        f"{HOST}/cases/harbour-logistics.pdf",
        True,
        {"": ("How a harbour saved a day a week", "Read the case study", 1.0)},
    ),
    Message(
        "demo_video",
        f"{HOST}/videos/product-demo",
        False,
        {
            "A": ("The product in four minutes", "Watch the demo", 1.0),
            "B": ("See it work", "Watch the demo", 1.0),
        },
        share=0.42,
    ),
    Message(
        "topic_subscription",
        f"{HOST}/topics/subscribe",
        True,
        {"": ("Something for you", "Learn more", 1.0)},
    ),
    Message(
        "solution_assessment",
        f"{HOST}/assessment",
        False,
        {"": ("Does it fit you? Five short pages", "Start the assessment", 1.0)},
    ),
    Message(
        "about_visit",
        f"{HOST}/about",
        False,
        {"": ("Who we are", "Meet the team", 1.0)},
    ),
    Message(
        "pricing_visit",
        f"{HOST}/pricing",
        False,
        {"": ("What it costs", "See the plans", 1.0)},
    ),
    Message(
        "cart_add",
        f"{HOST}/shop",
        False,
        {"": ("Ready when you are", "Put the team plan in your cart", 1.0)},
    ),
    Message(
        "reference_request",
        f"{HOST}/customers",
        False,
        {"": ("Talk to somebody who uses it", "Ask for a reference", 1.0)},
    ),
)
"""The nurture sequence, in order: each message asks for one step."""

VALUE_PROPOSITION_APPEAL = -0.7
"""What the a_step of the message with the weak value proposition would be without its fault."""

FRICTION_CLIENT, FRICTION_SHARE = "Safari", 0.7
"""On this client family this share of finished assessments cannot be sent."""

TRUST_FACTOR, TRUST_DAYS = 0.35, 30
"""Decision steps within this time after pricing happen this much less, until a reference."""

CLICK_ONLY_PROBABILITY = 0.04
"""Of those who opened: clicked the goal's link and did nothing on the page."""

PREFERENCES_LINK = f"{HOST}/preferences"
FOOTERS = {
    "social_follow": ("https://social.example/microconv-demo", range(8)),
    "live_chat": (f"{HOST}/chat", range(8, 12)),
}
"""Step of the footer's link → its address and the messages (from 0) that carry it."""

FOOTER_PROBABILITY = 0.012
"""Of those who opened: followed the footer's link."""

CAMPAIGNS = ("nurture-inbound", "nurture-outbound")

SOURCES = ("search", "content", "webinar", "referral", "trade_fair", "list", "partner")
INBOUND = 4
"""The first so many sources come through a form on the website, the others through an import."""

SOURCE_WEIGHTS = (
    (0.26, 0.22, 0.12, 0.12, 0.12, 0.16, 0.00),
    (0.20, 0.16, 0.10, 0.08, 0.08, 0.14, 0.24),
)
"""Mix of sources before and after the drift (a new one appears)."""

SOURCE_FIT = (0.0, 0.15, 0.35, 0.6, 0.2, -0.5, -0.1)
"""How much likelier each source is, on the log scale, per unit of fit."""

COUNTRIES = ("DE", "FR", "GB", "US", "IN", "BR")
COUNTRY_OFFSETS = (60, 60, 0, -300, 330, -180)
"""Minutes east of UTC that the browsers of a country write into their timestamps."""

COUNTRY_WEIGHTS = (
    (0.30, 0.16, 0.18, 0.22, 0.08, 0.06),
    (0.22, 0.12, 0.14, 0.22, 0.20, 0.10),
)
COUNTRY_FIT = (0.25, 0.1, 0.1, 0.2, -0.35, -0.3)

COMPANY_SIZES = ("1-10", "11-50", "51-200", "201-1000", "1001+")
SIZE_LIMITS = (-1.0, -0.2, 0.6, 1.4)
"""Limits of the noisy view of the account's fit between two sizes."""

AMOUNT_LOG_MEAN = (7.6, 8.3, 9.0, 9.7, 10.4)
AMOUNT_LOG_SD = 0.5
