"""What an invented, eligible person would have on the forms of screening and after. Dates hang on the day given."""

import datetime as dt
from typing import Any

Values = dict[str, Any]


def screening(day: dt.date, number: int = 0) -> dict[str, dict[str, Any]]:
    """All screening forms, seen on `day`; `number` varies age, sex and findings within what stays eligible."""
    on = day.isoformat()
    return {
        "demographics": {
            "brthdat": f"{1948 + number * 7 % 40}-{1 + number % 12:02d}-{1 + number * 3 % 28:02d}",
            "sex": "female" if number % 2 else "male",
        },
        "history": {
            "mhdat": on,
            "malignant": True,
            "confirmed_by": ["imaging", "pathology"] if number % 3 else ["pathology"],
            "histology": ("lung_nsc", "breast", "kidney", "prostate", "colorectal")[number % 5],
            "brain": "none",
            "prior_rt": False,
            "transplant": False,
            "transfused": False,
            "heart_failure": False,
            "cardiac_event": "none",
        },
        "lesion": {
            "imagdat": on,
            "source": "routine",
            "levels": [("T10", "T12", "L1", "L2", "L4")[number % 5]],
            "affected": 1 + number % 2,
            "lesion": "lytic",
            "mainly_lytic": True,
            "mainly_body": True,
            "evaluable": True,
            "appendage": False,
            "posterior_wall": False,
            "dural": False,
            "escc": "0",
        },
        "pain": pain(day, 6 + number % 4),
        "performance": {"perfdat": on, "ecog": number % 3, "kps": 90 - 10 * (number % 3)},
        "labs": {
            "lbdat": on,
            "source": "study",
            "weight": {"value": str(58 + number * 3 % 25), "unit": "kg"},
            "wbc": {"value": "6.2", "unit": "10^9/L"},
            "anc": {"value": "3.8", "unit": "10^9/L"},
            "lymph": {"value": "1.4", "unit": "10^9/L"},
            "plt": {"value": str(180 + number), "unit": "10^9/L"},
            "hgb": {"value": "12.4", "unit": "g/dL"},
            "bili": {"value": "11", "unit": "µmol/L", "uln": "21"},
            "ast": {"value": "28", "unit": "U/L", "uln": "40"},
            "alt": {"value": "31", "unit": "U/L", "uln": "50"},
            "creat": {"value": "78", "unit": "µmol/L", "uln": "104"},
            "inr": {"value": "1.0", "uln": "1.2"},
            "aptt": {"value": "29", "unit": "s", "uln": "37"},
        },
        "ecg": {
            "egdat": on,
            "source": "study",
            "qt": {"value": "390", "unit": "ms"},
            "rate": {"value": "72", "unit": "/min"},
            "arrhythmia": False,
            "hypokalaemia": False,
            "family_long_qt": False,
            "familial_arrhythmia": False,
        },
        "echo": {"echodat": on, "source": "routine", "lvef": {"value": "62", "unit": "%"}},
        "serology": {
            "serdat": on,
            "source": "study",
            "syphilis": "negative",
            "hiv_history": False,
            "aids": False,
            "hiv": "negative",
            "hbsag": "negative",
            "hcv": "negative",
        },
        "infection": {
            "vsdat": on,
            "source": "study",
            "active": False,
            "temp": {"value": "36.7", "unit": "°C"},
            "tb_active": False,
            "tb_treated": False,
            "tb_ever": False,
            "bp_readings": "2",
            "sysbp_1": {"value": "132", "unit": "mmHg"},
            "diabp_1": {"value": "80", "unit": "mmHg"},
            "sysbp_2": {"value": "126", "unit": "mmHg"},
            "diabp_2": {"value": "77", "unit": "mmHg"},
            "bp_treated": False,
        },
        "attestations": {
            "attdat": on,
            "compliance": True,
            "survival": True,
            "contraception": "not_applicable",
            "other_condition": False,
        },
    }


def pain(day: dt.date, worst: int) -> Values:
    """A pain form."""
    return {"paindat": day.isoformat(), "worst": worst, "average": max(worst - 2, 0)}


def baseline(day: dt.date, number: int = 0) -> dict[str, Values]:
    """The forms of the baseline that every response is measured against."""
    return {
        "pain": pain(day, 6 + number % 4),
        "opioids": {"opidat": day.isoformat(), "taken": True, "drug": "oxycodone", "dose": "20"},
        "performance": {"perfdat": day.isoformat(), "ecog": number % 3, "kps": 90 - 10 * (number % 3)},
    }


def surgery(day: dt.date) -> Values:
    """A surgery without complications."""
    return {
        "prdat": day.isoformat(),
        "levels": ["T12"],
        "levels_treated": 1,
        "ablated": True,
        "cement": {"value": "4.5", "unit": "mL"},
        "leakage": "none",
    }


def sbrt(day: dt.date) -> Values:
    """The first fraction and its plan."""
    return {
        "sbrtdat": day.isoformat(),
        "regimen": "r24_4",
        "levels": ["T12"],
        "prescribed_to": "isodose",
    }


def recheck(day: dt.date) -> Values:
    """The questions before randomization, all in order."""
    return {
        "rcdat": day.isoformat(),
        "alive": True,
        "consent_stands": True,
        "infection": False,
        "fever": False,
        "new_deficit": False,
        "fit": True,
    }
