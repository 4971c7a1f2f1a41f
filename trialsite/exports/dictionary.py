"""The columns that no form describes: keys, lists and the long table, each with its meaning in both languages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import override

from randomization import arms as randomization
from trialsite.casebook.models import Query, Record
from trialsite.casebook.wording import MISSING
from trialsite.exports.columns import Cell, Code
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Text
from visits.models import Visit


@dataclass(frozen=True)
class Plain:
    """One column: its name, what its cells hold, its meaning, its CDISC variable where it has one, and its codes."""

    name: str
    label: Text
    cell: Cell = "text"
    cdash: str = ""
    codes: tuple[Code, ...] = ()


def coded(choices: Iterable[tuple[Any, Any]]) -> tuple[Code, ...]:
    """Codes of choices whose labels are translated when they are asked for."""
    found = []
    for code, label in choices:
        with override("en"):
            english = str(label)
        with override("zh-hans"):
            found.append((str(code), Text(english, str(label))))
    return tuple(found)


YES_NO: Final = (("Y", Text("yes", "是")), ("N", Text("no", "否")))
SIGNS: Final = tuple(
    (sign, Text(en, zh))
    for sign, en, zh in (
        ("<", "below", "小于"),
        (">", "above", "大于"),
        ("≤", "at most", "不大于"),
        ("≥", "at least", "不小于"),
    )
)


def missing() -> tuple[Code, ...]:
    """Why an answer is not there."""
    return coded(MISSING)


def key_columns() -> list[Plain]:
    """Those that stand first in each table of a form and in the long one, under the names in `columns.KEYS`."""
    return [
        _TRIAL,
        Plain("protocol_version", Text("Protocol version of the form", "表单所属方案版本")),
        _HOSPITAL,
        _PARTICIPANT,
        Plain("event", Text("Event (visit) of the protocol", "方案事件（访视）"), cdash="VISIT"),
        Plain("repeat", Text("Number among the forms of this event", "同一事件内的序号"), "number"),
        Plain("state", Text("State of the form", "表单状态"), codes=coded(Record.State.choices)),
        Plain("record_version", Text("Version of the record", "记录版本"), "number"),
        Plain("observed_on", Text("Day that dates the values", "数值对应日期"), "date"),
    ]


def long_columns() -> list[Plain]:
    """Those of the long table: one row for each entry."""
    return [
        *key_columns(),
        Plain("form", Text("Form", "表单")),
        Plain("item", Text("Item of the form", "表单条目")),
        Plain(
            "value",
            Text(
                "Value: numbers in the canonical unit, exact (a fraction such as 200/3 where no decimal ends); several "
                "choices separated by ;",
                "数值：以标准单位表示且精确（无法以有限小数表示时为分数，如 200/3）；多选以 ; 分隔",
            ),
        ),
        Plain("entered", Text("Number as it was entered", "录入的数字")),
        Plain("sign", Text("Sign before the number", "数字前的符号"), codes=SIGNS),
        Plain("unit", Text("Unit as it was entered", "录入的单位")),
        Plain("uln", Text("Upper limit of normal, in the unit entered", "正常值上限（录入单位）")),
        Plain("missing", Text("Why there is no value", "无数值的原因"), codes=missing()),
    ]


_TRIAL: Final = Plain("trial", Text("Trial", "试验"), cdash="STUDYID")
_HOSPITAL: Final = Plain("hospital", Text("Hospital", "医院"), cdash="SITEID")
_PARTICIPANT: Final = Plain("participant", Text("Code of the participant", "受试者编号"), cdash="SUBJID")


def list_columns(arms: Iterable[Code]) -> Mapping[str, list[Plain]]:
    """Those of each list, in its order; `arms` are codes and names of the arms, none for a reader who may not know."""
    return {
        "participants": [
            _TRIAL,
            Plain("protocol_version", Text("Protocol version of the participant", "受试者适用方案版本")),
            _HOSPITAL,
            _PARTICIPANT,
            Plain("status", Text("Status", "状态"), codes=coded(Participant.Status.choices)),
            Plain("registered_at", Text("Registered at", "登记时间"), "instant"),
            Plain("arm", Text("Arm", "组别"), cdash="ARMCD", codes=tuple(arms)),
            Plain(
                "allocated_at",
                Text("Randomized at; an envelope: entered at", "随机时间（应急信封为录入时间）"),
                "instant",
            ),
            Plain("envelope_opened_at", Text("Envelope opened at", "应急信封拆封时间"), "instant"),
            Plain("in_error", Text("Randomized in error", "误随机"), codes=coded(randomization.ERRORS)),
            Plain("in_error_reason", Text("Why it was an error", "误随机原因")),
            Plain("in_error_truth", Text("What is true instead", "实际情况")),
        ],
        "visits": [
            _TRIAL,
            _HOSPITAL,
            _PARTICIPANT,
            Plain("visit", Text("Visit of the protocol", "方案访视"), cdash="VISIT"),
            Plain("repeat", Text("Number among the visits of this code", "同一访视代码内的序号"), "number"),
            Plain("target_on", Text("Target day", "目标日期"), "date"),
            Plain("opens_on", Text("First day of the window", "窗口首日"), "date"),
            Plain("closes_on", Text("Last day of the window", "窗口末日"), "date"),
            Plain("state", Text("State", "状态"), codes=coded(Visit.State.choices)),
            Plain("attended_on", Text("Attended on", "实际日期"), "date", "VISDAT"),
            Plain("in_window", Text("Attended within the window", "是否在窗口内"), codes=YES_NO),
        ],
        "scores": [
            _TRIAL,
            _HOSPITAL,
            _PARTICIPANT,
            Plain("event", Text("Event (visit) of the protocol", "方案事件（访视）"), cdash="VISIT"),
            Plain("repeat", Text("Number among the forms of this event", "同一事件内的序号"), "number"),
            Plain("instrument", Text("Instrument", "量表")),
            Plain("score", Text("Score", "评分")),
            Plain("value", Text("Value, exact", "数值（精确）")),
            Plain("reason", Text("Why it is open", "未得出的原因")),
            Plain("algorithm", Text("Algorithm and its version", "算法及版本")),
            Plain("inputs", Text("What it was computed from, as JSON", "计算所用输入（JSON）")),
            Plain("computed_at", Text("Computed at", "计算时间"), "instant"),
        ],
        "queries": [
            _TRIAL,
            _HOSPITAL,
            _PARTICIPANT,
            Plain("event", Text("Event (visit) of the protocol", "方案事件（访视）"), cdash="VISIT"),
            Plain("form", Text("Form", "表单")),
            Plain("repeat", Text("Number among the forms of this event", "同一事件内的序号"), "number"),
            Plain("item", Text("Item of the form", "表单条目")),
            Plain(
                "origin",
                Text("Asked by a check or a person", "由核查或人员提出"),
                codes=coded(Query.Origin.choices),
            ),
            Plain("check", Text("Check that asked", "提出质疑的核查")),
            Plain("question", Text("Question", "问题")),
            Plain("state", Text("State", "状态"), codes=coded(Query.State.choices)),
            Plain("opened_at", Text("Opened at", "提出时间"), "instant"),
            Plain("answers", Text("How often it was answered", "答复次数"), "number"),
            Plain("last_answer", Text("Last answer", "最近一次答复")),
            Plain("closed_at", Text("Closed at", "关闭时间"), "instant"),
            Plain(
                "closed_by",
                Text(
                    "Account of who closed it; empty where the entry was mended",
                    "关闭者账号；因数据更正而关闭时为空",
                ),
            ),
        ],
        "signatures": [
            _TRIAL,
            _HOSPITAL,
            _PARTICIPANT,
            Plain(
                "what",
                Text("What was signed", "签署内容"),
                codes=(
                    ("eligibility", Text("eligibility", "入排标准")),
                    ("casebook", Text("casebook", "病例报告表")),
                    ("envelope", Text("opened envelope", "已拆封的应急信封")),
                    ("void_envelope", Text("void envelope", "作废的应急信封")),
                    ("activation", Text("activation of a protocol version", "方案版本启用")),
                    ("delegation", Text("delegation of tasks", "任务授权")),
                    ("access_review", Text("review of access", "权限复核")),
                    # To who may not read those two, one of them.
                    ("roster", Text("delegation of tasks, or review of access", "任务授权或权限复核")),
                ),
            ),
            Plain("signed_by", Text("Account of the signer", "签署人账号")),
            Plain("printed_name", Text("Name of the signer", "签署人姓名")),
            Plain("meaning", Text("Meaning of the signature", "签名含义")),
            Plain("signed_at", Text("Signed at", "签署时间"), "instant"),
            Plain("content_hash", Text("Hash of what was signed", "签署内容的哈希")),
            Plain("fallen_at", Text("Fallen at", "失效时间"), "instant"),
            Plain("fallen_reason", Text("Why it fell", "失效原因")),
        ],
    }
