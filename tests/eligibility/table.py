"""What is entered otherwise than for an eligible person, and whether the criterion then lets the person in.

T0 is today; every form was filled in two days ago, eight days ago the consent was signed.
"""

import datetime as dt
from typing import Any

from trialsite.core import clock

TODAY = clock.today("Asia/Shanghai")
SEEN = TODAY - dt.timedelta(days=2)
FIRST_DAY_OF_YEAR, LAST_DAY_OF_YEAR = SEEN.replace(month=1, day=1), SEEN.replace(month=12, day=31)
YES, NO, OPEN = True, False, None


def before(months: int, *, days: int = 0) -> str:
    """The calendar day `months` before T0 (today), shifted by `days`; the day is cut to the month's last."""
    year, month = divmod(TODAY.year * 12 + TODAY.month - 1 - months, 12)
    last = (dt.date(year + (month == 11), (month + 1) % 12 + 1, 1) - dt.timedelta(days=1)).day
    return (dt.date(year, month + 1, min(TODAY.day, last)) + dt.timedelta(days=days)).isoformat()


def year_before(day: dt.date, *, days: int = 0) -> str:
    """One calendar year before `day`; 29 February becomes the 28th."""
    same = dt.date(day.year - 1, day.month, 28 if (day.month, day.day) == (2, 29) else day.day)
    return (same + dt.timedelta(days=days)).isoformat()


def age(years: int, *, days: int = 0) -> str:
    """A date of birth that makes `years` on the day of consent, `days` later."""
    consent = TODAY - dt.timedelta(days=8)
    return (consent.replace(year=consent.year - years) + dt.timedelta(days=days)).isoformat()


def with_uln(value: str, unit: str, uln: str) -> dict[str, str]:
    return {"value": value, "unit": unit, "uln": uln}


def of(form: str, **items: Any) -> dict[str, dict[str, Any]]:
    return {form: items}


UNKNOWN = {"missing": "unknown"}


def transfused(last: Any, product: str = "platelets") -> dict[str, dict[str, Any]]:
    return of("history", transfused=True, transfused_last=last, transfused_product=product)


def contraception(until: str, method: str = "condom", start: str = "") -> dict[str, dict[str, Any]]:
    return of(
        "attestations",
        contraception="committed",
        contraception_method=method,
        contraception_start=start or before(0, days=-30),
        contraception_until=until,
    )


def brain(silent: Any, treated: Any = False, stable: Any = None) -> dict[str, dict[str, Any]]:
    return of("history", brain="known", brain_silent=silent, brain_treated=treated, brain_stable=stable)


def readings(*pairs: tuple[str, str], treated: bool) -> dict[str, dict[str, Any]]:
    found: dict[str, Any] = {"bp_readings": str(len(pairs)), "bp_treated": treated}
    for number, (systolic, diastolic) in enumerate(pairs, start=1):
        found |= {f"sysbp_{number}": {"value": systolic}, f"diabp_{number}": {"value": diastolic}}
    return of("infection", **found)


def weighing(kg: str, born: str = "") -> dict[str, dict[str, Any]]:
    """A man of 65 years unless `born` says otherwise, whose creatinine lies above 1.5 times the limit."""
    values = of("labs", creat=with_uln("66.3", "µmol/L", "40"), weight={"value": kg})
    return values | of("demographics", sex="male", brthdat=born or age(65, days=-30))


ANC = {"anc": {"value": "1.6"}}
QT = {"rate": {"value": "60", "unit": "/min"}}
FEMALE = of("demographics", sex="female")

LEVELS = ("T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SENSITIVE = ("lymphoma", "seminoma", "wilms", "neuroblastoma", "medulloblastoma", "ewing", "small_cell")

# (criterion, what is entered otherwise than for an eligible person, whether the criterion lets the person in)
TABLE: list[tuple[str, dict[str, dict[str, Any]], bool | None]] = [
    ("I1", of("attestations", compliance=False), NO),
    ("I2", of("demographics", brthdat=age(18)), YES),
    ("I2", of("demographics", brthdat=age(18, days=1)), NO),
    ("I2", of("demographics", brthdat=age(18)[:4]), OPEN),
    ("I3a", of("history", confirmed_by=["imaging"]), YES),
    ("I3a", of("history", malignant=False), NO),
    ("I3a", of("history", confirmed_by=["none"]), NO),
    ("I3a", of("history", confirmed_by=[]), OPEN),
    ("I3b", of("lesion", levels=["T5", "L5"]), YES),
    *(("I3b", of("lesion", levels=[one]), YES) for one in LEVELS),
    ("I3b", of("lesion", levels=["T4"]), NO),
    ("I3b", of("lesion", levels=["T5", "S1"]), NO),
    ("I3c", of("lesion", affected=0), NO),
    ("I3c", of("lesion", affected=1), YES),
    ("I3c", of("lesion", affected=2), YES),
    ("I3c", of("lesion", affected=3), NO),
    ("I3d", of("lesion", lesion="mixed"), YES),
    ("I3d", of("lesion", lesion="blastic"), NO),
    ("I3d", of("lesion", mainly_lytic=False), NO),
    ("I3d", of("lesion", mainly_body=False), NO),
    ("I4", of("attestations", survival=False), NO),
    ("I5", of("pain", worst=3), NO),
    ("I5", of("pain", worst=4), YES),
    ("I6", of("performance", ecog=2), YES),
    ("I6", of("performance", ecog=3), NO),
    ("I7a-1", of("labs", wbc={"value": "3.0"}, **ANC), YES),
    ("I7a-1", of("labs", wbc={"value": "2.99"}, **ANC), NO),
    ("I7a-1", of("labs", wbc={"value": "3000", "unit": "/µL"}, **ANC), YES),
    ("I7a-2", of("labs", anc={"value": "1.5"}), YES),
    ("I7a-2", of("labs", anc={"value": "1.499999"}), NO),
    ("I7a-3", of("labs", lymph={"value": "6.0", "unit": "10^8/L"}), YES),
    ("I7a-3", of("labs", lymph={"value": "0.599"}), NO),
    ("I7a-4", of("labs", plt={"value": "50"}), YES),
    ("I7a-4", of("labs", plt={"value": "49.9"}), NO),
    ("I7a-4", transfused(before(0, days=-15)), YES),
    ("I7a-4", transfused(before(0, days=-14)), NO),
    ("I7a-4", transfused(UNKNOWN), OPEN),
    ("I7a-5", transfused(before(0, days=-2), "red_cells"), YES),
    ("I7a-5", of("labs", hgb={"value": "10.0", "unit": "g/dL"}), YES),
    ("I7a-5", of("labs", hgb={"value": "99.9", "unit": "g/L"}), NO),
    ("I7b-1", of("labs", bili=with_uln("42", "µmol/L", "21")), YES),
    ("I7b-1", of("labs", bili=with_uln("42.01", "µmol/L", "21")), NO),
    ("I7b-2", of("labs", ast=with_uln("99.99", "U/L", "40")), YES),
    ("I7b-2", of("labs", ast=with_uln("100", "U/L", "40")), NO),
    ("I7b-2", of("labs", alt=with_uln("125", "U/L", "50")), NO),
    ("I7b-2", of("labs", alt=with_uln("<20", "U/L", "50")), YES),
    ("I7b-2", of("labs", alt=with_uln("<200", "U/L", "50")), OPEN),
    ("I7b-2", of("labs", alt=with_uln(">200", "U/L", "50")), NO),
    # 65-year-old man of 70 kg with 124 µmol/L clears 51.98 mL/min; 60-year-old of 60 kg with 148 clears 39.82.
    ("I7b-3", of("labs", creat=with_uln("156", "µmol/L", "104")), YES),
    ("I7b-3", of("labs", creat=with_uln("156.01", "µmol/L", "104"), weight={"value": "45"}), NO),
    (
        "I7b-3",
        of("labs", creat=with_uln("124", "µmol/L", "80"), weight={"value": "70"})
        | of("demographics", brthdat=age(65, days=-30)),
        YES,
    ),
    (
        "I7b-3",
        of("labs", creat=with_uln("148", "µmol/L", "80"), weight={"value": "60"})
        | of("demographics", brthdat=age(60, days=-30)),
        NO,
    ),
    (
        "I7b-3",
        of("labs", creat=with_uln("95", "µmol/L", "60"), weight={"value": "55"})
        | of("demographics", brthdat=age(70, days=-30), sex="female"),
        NO,
    ),
    # Exactly 50 mL/min: a man of 65 years with 66.3 µmol/L (0.75 mg/dL) and 36 kg.
    ("I7b-3", weighing("36"), YES),
    ("I7b-3", weighing("35.99"), NO),
    # Of the year of birth alone two ages follow: decided where both agree.
    ("I7b-3", weighing("36.5", born=str(SEEN.year - 65)), YES),
    ("I7b-3", weighing("35.7", born=str(SEEN.year - 65)), OPEN if LAST_DAY_OF_YEAR != SEEN else NO),
    ("I7c", of("labs", inr={"value": "1.8", "uln": "1.2"}), YES),
    ("I7c", of("labs", inr={"value": "1.801", "uln": "1.2"}), NO),
    ("I7c", of("labs", aptt={"value": "55.5", "unit": "s", "uln": "37"}), YES),
    ("I7c", of("labs", aptt={"value": "55.51", "unit": "s", "uln": "37"}), NO),
    ("I7d-1", of("echo", lvef={"value": "50"}), YES),
    ("I7d-1", of("echo", lvef={"value": "49.9"}), NO),
    ("E12d", of("echo", lvef={"value": "50"}), YES),
    ("E12d", of("echo", lvef={"value": "49.9"}), NO),
    ("I7d-2", of("ecg", qt={"value": "450"}, **QT), YES),
    ("I7d-2", of("ecg", qt={"value": "450.01"}, **QT), NO),
    ("I7d-2", of("ecg", qt={"value": "450.01"}, **QT) | FEMALE, YES),
    ("I7d-2", of("ecg", qt={"value": "470"}, **QT) | FEMALE, YES),
    ("I7d-2", of("ecg", qt={"value": "470.01"}, **QT) | FEMALE, NO),
    ("E12e", of("ecg", qt={"value": "450"}, **QT), YES),
    ("E12e", of("ecg", qt={"value": "450.01"}, **QT), NO),
    ("E12e", of("ecg", qt={"value": "470"}, **QT) | FEMALE, YES),
    ("E12e", of("ecg", qt={"value": "470.01"}, **QT) | FEMALE, NO),
    ("E12e", of("ecg", hypokalaemia=True), NO),
    ("E12e", of("ecg", family_long_qt=True), NO),
    ("E12e", of("ecg", familial_arrhythmia=True), NO),
    ("I8", contraception(before(-6)), YES),
    ("I8", contraception(before(-6, days=-1)), NO),
    ("I8", contraception(before(-6)[:7]), OPEN),
    ("I8", contraception(before(-7), method="other"), NO),
    # Begun some time this year: before surgery, or after it.
    (
        "I8",
        contraception(before(-6), start=str(TODAY.year)),
        OPEN if TODAY.replace(month=12, day=31) > TODAY else YES,
    ),
    ("I8", of("attestations", contraception="none"), NO),
    ("E1", of("lesion", evaluable=False), NO),
    ("E2", brain(UNKNOWN, UNKNOWN), OPEN),
    ("E2", brain(True), YES),
    ("E2", brain(False), NO),
    ("E2", brain(False, True, {"value": "3"}), NO),
    ("E2", brain(False, True, {"value": "3.1"}), YES),
    ("E2", brain(False, True, UNKNOWN), OPEN),
    ("E2", of("history", brain="suspected", brain_silent=False, brain_treated=False), NO),
    ("E3", of("history", prior_rt=True, prior_rt_last=before(24)), NO),
    ("E3", of("history", prior_rt=True, prior_rt_last=before(24, days=-1)), YES),
    ("E3", of("history", prior_rt=True, prior_rt_last=before(24)[:7]), OPEN if TODAY.day > 1 else NO),
    ("E3", of("history", prior_rt=True, prior_rt_last=before(36)[:4]), YES if TODAY.month > 1 else OPEN),
    ("E3", of("history", prior_rt=True, prior_rt_last=UNKNOWN), OPEN),
    *(("E4", of("history", histology=one), NO) for one in SENSITIVE),
    ("E4", of("history", histology="unknown") | of("attestations", radiosensitive=True), NO),
    ("E4", of("history", histology="other") | of("attestations", radiosensitive=True), NO),
    ("E4", of("history", histology="unknown") | of("attestations", radiosensitive=False), YES),
    ("E4", of("history", histology="other") | of("attestations", radiosensitive=UNKNOWN), OPEN),
    ("E5", of("lesion", appendage=True), NO),
    ("E5", of("lesion", posterior_wall=True), NO),
    ("E5", of("lesion", dural=True), NO),
    ("E6", of("history", transplant=True, transplant_type="kidney"), NO),
    ("E7", of("infection", active=True), NO),
    ("E7", of("infection", temp={"value": "38.5"}, unexplained=True), YES),
    ("E7", of("infection", temp={"value": "38.6"}, unexplained=True), NO),
    ("E7", of("infection", temp={"value": "38.6"}, unexplained=False), YES),
    ("E8", of("infection", tb_active=True), NO),
    ("E8", of("infection", tb_treated=True), NO),
    ("E8", of("infection", tb_ever=True, tb_end=year_before(SEEN)), NO),
    ("E8", of("infection", tb_ever=True, tb_end=year_before(SEEN, days=-1)), YES),
    (
        "E8",
        of("infection", tb_ever=True, tb_end=year_before(SEEN)[:4]),
        OPEN if FIRST_DAY_OF_YEAR != SEEN else NO,
    ),
    ("E9", of("serology", syphilis="positive", syphilis_serofast=True), NO),
    ("E10", of("serology", hiv="positive"), NO),
    ("E10", of("serology", aids=True), NO),
    ("E10", of("serology", hiv="not_tested", hiv_reason="refused"), YES),
    ("E10", of("serology", hiv="not_tested", hiv_reason="refused", hiv_history=UNKNOWN), OPEN),
    ("E11a", of("serology", hbsag="positive", hbv_dna={"value": "10000"}), YES),
    ("E11a", of("serology", hbsag="positive", hbv_dna={"value": "10000.1"}), NO),
    ("E11a", of("serology", hbsag="positive", hbv_dna={"value": "<20"}), YES),
    ("E11a", of("serology", hbsag="positive", hbv_dna={"value": "≤10000"}), YES),
    ("E11a", of("serology", hbsag="positive", hbv_dna=UNKNOWN), OPEN),
    ("E11b", of("serology", hcv="positive", hcv_rna={"value": "1000"}), YES),
    ("E11b", of("serology", hcv="positive", hcv_rna={"value": "1001"}), NO),
    (
        "E11c",
        of("serology", hbsag="positive", hbv_dna={"value": "<20"}, hcv="positive", hcv_rna={"value": "<15"}),
        NO,
    ),
    ("E12a", of("history", heart_failure=True, nyha="II"), YES),
    ("E11c", of("serology", hbsag="positive", hbv_dna={"value": "<20"}), YES),
    ("E11c", of("serology", hcv="positive", hcv_rna={"value": "<15"}), YES),
    ("E12a", of("history", heart_failure=True, nyha="III"), NO),
    ("E12a", of("history", heart_failure=True, nyha="IV"), NO),
    ("E12b", of("ecg", arrhythmia=True), NO),
    ("E12c", of("history", cardiac_event="stent", cardiac_event_last=before(6)), NO),
    ("E12c", of("history", cardiac_event="unstable_angina", cardiac_event_last=before(6, days=-1)), YES),
    ("E13", readings(("139", "80"), ("140", "80"), treated=True), YES),
    ("E13", readings(("139", "80"), ("141", "80"), treated=True), NO),
    ("E13", readings(("139", "80"), ("140", "80"), ("141", "80"), treated=True), NO),
    ("E13", readings(("139", "80"), ("140", "80"), ("140", "80"), treated=True), YES),
    ("E13", readings(("120", "90"), ("120", "90"), treated=True), NO),
    ("E13", readings(("120", "89.9"), ("120", "90"), treated=True), YES),
    (
        "E13",
        readings(("150", "80"), ("150", "80"), treated=False) | of("attestations", bp_controlled=True),
        YES,
    ),
    (
        "E13",
        readings(("150", "80"), ("150", "80"), treated=False) | of("attestations", bp_controlled=False),
        NO,
    ),
    (
        "E13",
        readings(("150", "80"), ("150", "80"), treated=False) | of("attestations", bp_controlled=UNKNOWN),
        OPEN,
    ),
    ("E14", of("attestations", other_condition=True, other_condition_text="sepsis"), NO),
]
