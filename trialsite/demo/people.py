"""Who can sign in to the demonstration. Invented names; the passphrase stands here for everyone to read."""

from typing import Final, NamedTuple

PASSPHRASE: Final = "four quiet herons"


class Person(NamedTuple):
    """An account of the demo: `site` is a hospital's code, or None for all hospitals."""

    username: str
    passphrase: str
    role: str
    site: str | None
    full_name: str
    language: str


def _person(username: str, role: str, site: str | None, full_name: str, language: str = "zh-hans") -> Person:
    return Person(username, PASSPHRASE, role, site, full_name, language)


DEMO_PEOPLE: Final[list[Person]] = [
    _person("coordinator.sh", "coordinator", "SHGH", "沈晓雯 Shen Xiaowen"),
    _person("investigator.sh", "investigator", "SHGH", "陆建国 Lu Jianguo"),
    _person("pi.sh", "pi", "SHGH", "顾明 Gu Ming"),
    _person("assessor.sh", "assessor", "SHGH", "何静 He Jing"),
    _person("coordinator.gz", "coordinator", "SMU3", "梁美仪 Liang Meiyi"),
    _person("investigator.gz", "investigator", "SMU3", "黄志强 Huang Zhiqiang"),
    _person("pi.gz", "pi", "SMU3", "区伟文 Ou Weiwen"),
    _person("coordinator.bj", "coordinator", "PKUPH", "马红 Ma Hong"),
    _person("investigator.bj", "investigator", "PKUPH", "赵立新 Zhao Lixin"),
    _person("pi.bj", "pi", "PKUPH", "韩雪 Han Xue"),
    _person("manager", "trial_manager", None, "Trial Manager", "en"),
    _person("monitor", "monitor", None, "Monitor", "en"),
    _person("data", "data_manager", None, "Data Manager", "en"),
    _person("statistician", "statistician", None, "Statistician", "en"),
    _person("auditor", "auditor", None, "Auditor", "en"),
    _person("admin", "administrator", None, "Administrator", "en"),
]
