"""Who the example vendor is and what happened at each of its go-lives. All names are made up.

Days count from the project's first planned cutover; what lies after the present has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.example import readings


@dataclass(frozen=True)
class Trouble:
    """A machine reads wrong in [first, last)."""

    kind: str
    first: float
    last: float = 1e9


@dataclass(frozen=True)
class Member:
    """An engineer's share of the project from a day on, until another."""

    engineer: str
    role: str = "lead"
    share: float = 1.0
    first: float = -21
    last: float | None = None


@dataclass(frozen=True)
class Attempt:
    """One go-live: without a cutover it was aborted; `rolled_back` is the day on which it was undone."""

    started: float = 0
    cutover: float | None = 0.1
    aborted: float | None = None
    rolled_back: float | None = None


@dataclass(frozen=True)
class Handover:
    """A role changes hands, at the last run before the day."""

    day: float
    role: str
    giver: str
    taker: str


@dataclass(frozen=True)
class Ruling:
    """What one person asked for on a day and a second approved the day after."""

    kind: str
    day: float
    to: str
    why: str
    item: str = ""


@dataclass(frozen=True)
class Story:
    """One project at one site with one machine; its first cutover was planned `ago` days before now."""

    site: str
    customer: str
    name: str
    product: str
    ago: int
    team: tuple[Member, ...]
    window_days: int = 30
    attempts: tuple[Attempt, ...] = (Attempt(),)
    troubles: tuple[Trouble, ...] = ()
    dark: tuple[tuple[float, float], ...] = ()
    handover: Handover | None = None
    rulings: tuple[Ruling, ...] = ()

    @property
    def project(self) -> str:
        return f"{self.site}-{self.product.removeprefix('example-')}"

    @property
    def machine(self) -> str:
        return f"{self.site.removeprefix('example-')}-app1"


ENGINEERS = {
    "example-lin": "Lin Wei 林薇 (example)",
    "example-zhang": "Zhang Hao 张昊 (example)",
    "example-emma": "Emma Fischer 艾玛 (example)",
    "example-ravi": "Ravi Patel 拉维 (example)",
}

CUSTOMERS = {
    "example-qinglan": ("Qinglan Machinery 青岚机械 (example)", "manufacturing"),
    "example-mingche": ("Mingche Electronics 明澈电子 (example)", "manufacturing"),
    "example-lantern": ("Lantern Trading 灯塔贸易 (example)", "trade"),
    "example-northgale": ("Northgale Logistics 北飓物流 (example)", "trade"),
    "example-stillwater": ("Stillwater Savings 静水储蓄 (example)", "finance"),
    "example-lingyun": ("Lingyun Clinic 凌芸医院 (example)", "healthcare"),
}

PRODUCTS = {
    "example-erp": "Business suite 企业资源计划 (example)",
    "example-mes": "Shop floor 制造执行 (example)",
}

T = Trouble
STORIES = (
    Story(
        site="example-qinglan-1",
        customer="example-qinglan",
        name="Plant 1 一厂",
        product="example-erp",
        ago=690,
        team=(Member("example-lin"),),
        # Somebody keeps editing the pool size by hand: a family that recurs, and yet a clean go-live.
        troubles=(T(readings.POOL, 12, 14), T(readings.POOL, 40, 43), T(readings.TRASH, 200, 206)),
    ),
    Story(
        site="example-qinglan-2",
        customer="example-qinglan",
        name="Plant 2 二厂",
        product="example-mes",
        ago=540,
        team=(Member("example-zhang"),),
        # The application stops after the cutover: a P1 that is ours. The limit is lost at each restart.
        troubles=(T(readings.STOPPED, 5, 6), T(readings.LIMITS, 5, 9), T(readings.LIMITS, 55, 57)),
    ),
    Story(
        site="example-lantern",
        customer="example-lantern",
        name="Head office 总部",
        product="example-erp",
        ago=450,
        team=(Member("example-emma", share=0.7), Member("example-ravi", "dba", 0.3)),
        # Aborted at night for want of a database; the second attempt three weeks later holds.
        attempts=(Attempt(cutover=None, aborted=0.3), Attempt(started=21, cutover=21.1)),
        troubles=(
            T(readings.NO_DATABASE, 0, 2),
            T(readings.TRASH, 31, 33),
            T(readings.TRASH, 58, 60),
            T(readings.TRASH, 90, 92),
        ),
    ),
    Story(
        site="example-stillwater-1",
        customer="example-stillwater",
        name="Data centre A 主数据中心",
        product="example-erp",
        ago=380,
        window_days=60,
        team=(Member("example-lin", share=0.6), Member("example-ravi", "dba", 0.4)),
        # The customer's firewall drops the database for a day: grave, and not ours.
        troubles=(T(readings.NO_DATABASE, 20, 21), T(readings.NO_CLOCK, 33, 34), T(readings.HIDDEN, 45, 46)),
    ),
    Story(
        site="example-stillwater-2",
        customer="example-stillwater",
        name="Data centre B 备数据中心",
        product="example-erp",
        ago=310,
        team=(Member("example-ravi"),),
        # Nothing was reported for twelve days, so nobody can say that nothing happened. Now it is
        # silent again.
        troubles=(T(readings.LIMITS, 4, 6),),
        dark=((8, 20), (288, 1e9)),
    ),
    Story(
        site="example-lingyun",
        customer="example-lingyun",
        name="Main house 本院",
        product="example-erp",
        ago=240,
        team=(Member("example-zhang", last=25.5), Member("example-emma", first=25.5)),
        handover=Handover(25.5, "lead", "example-zhang", "example-emma"),
        # Failing at the handover it stays with the giver; what drifts afterwards is the taker's.
        troubles=(T(readings.LIMITS, 24, 28), T(readings.POOL, 40, 43), T(readings.POOL, 60, 62)),
    ),
    Story(
        site="example-northgale",
        customer="example-northgale",
        name="Hub 枢纽",
        product="example-erp",
        ago=180,
        team=(Member("example-emma"),),
        troubles=(T(readings.STOPPED, 2, 5),),
        rulings=(
            Ruling(
                "exclusion",
                12,
                "force-majeure",
                "The river flooded the hub; the power was off for three days.",
            ),
        ),
    ),
    Story(
        site="example-mingche-1",
        customer="example-mingche",
        name="Assembly 总装",
        product="example-mes",
        ago=125,
        team=(Member("example-zhang", share=0.8),),
        # At first the network was blamed; the port had never been asked for, so two people ruled otherwise.
        troubles=(T(readings.NO_DATABASE, 1, 3), T(readings.LOOSE, 10, 12), T(readings.LOOSE, 30, 33)),
        rulings=(
            Ruling(
                "cause",
                4,
                "implementation",
                "The port was missing from our firewall request.",
                "app.database",
            ),
        ),
    ),
    Story(
        site="example-lingyun-2",
        customer="example-lingyun",
        name="Day clinic 日间门诊",
        product="example-erp",
        ago=64,
        team=(Member("example-lin"),),
        # Never mended since.
        troubles=(T(readings.POOL, 9),),
    ),
    Story(
        site="example-mingche-2",
        customer="example-mingche",
        name="Warehouse 仓库",
        product="example-erp",
        ago=12,
        team=(Member("example-ravi", share=0.5), Member("example-lin", "architect", 0.5)),
        troubles=(T(readings.LIMITS, 3, 5), T(readings.TRASH, 10), T(readings.AS_ROOT, 11)),
    ),
)
