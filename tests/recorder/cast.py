"""Who can sit in a hearing of 2 to 12 seats, with names in both languages; for pictures, the bench and the sheet."""

from __future__ import annotations

from courtroom.catalogue import Language
from courtroom.hearing.model import Role, SeatPlan, Side

CAST = (
    SeatPlan("s-judge", Role.PRESIDING_JUDGE),
    SeatPlan("s-plaintiff", Role.PLAINTIFF, Side.PLAINTIFF),
    SeatPlan("s-defendant", Role.DEFENDANT, Side.DEFENDANT),
    SeatPlan("s-clerk", Role.CLERK),
    SeatPlan("s-counsel-1", Role.COUNSEL, Side.PLAINTIFF),
    SeatPlan("s-counsel-2", Role.COUNSEL, Side.DEFENDANT),
    SeatPlan("s-judge-2", Role.JUDGE),
    SeatPlan("s-assessor", Role.ASSESSOR),
    SeatPlan("s-third", Role.THIRD_PARTY, Side.THIRD),
    SeatPlan("s-counsel-3", Role.COUNSEL, Side.PLAINTIFF),
    SeatPlan("s-counsel-4", Role.COUNSEL, Side.DEFENDANT),
    SeatPlan("s-counsel-5", Role.COUNSEL, Side.THIRD),
)
WITNESS = SeatPlan("s-witness", Role.WITNESS)

_ZH = ("顾明远", "林晓芸", "何建国", "苏雨桐", "周衡", "沈若川", "陆静", "方志平", "丁文博", "许安", "欧阳文静", "白露")
_EN = (
    "Gu Mingyuan", "Lin Xiaoyun", "He Jianguo", "Su Yutong", "Zhou Heng", "Shen Ruochuan", "Lu Jing", "Fang Zhiping",
    "Ding Wenbo", "Xu An", "Ouyang Wenjing", "Bai Lu",
)  # fmt: skip


def names(lang: Language) -> dict[str, str]:
    """``{seat: name}`` of the whole cast and the witness."""
    people = {plan.id: name for plan, name in zip(CAST, _ZH if lang == "zh" else _EN, strict=True)}
    return people | {WITNESS.id: "秦大海" if lang == "zh" else "Qin Dahai"}
