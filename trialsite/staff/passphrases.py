"""What a passphrase must be: long, and not among those that attackers try first.

No rule asks for digits or signs (NIST SP 800-63B, 3.1.1.2). Two lists that breaches made known are compared offline:
the 20 000 of Django, and the 30 000 of zxcvbn, which also sees through repetition, keyboard rows, dates and names.
"""

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

# zxcvbn's scale from 0 to 4; 4 is more than 10^10 guesses.
_LEAST: Final = 4
_LONGEST: Final = 72
# What passphrases in China are often made of, and neither list knows well.
_IN_CHINA: Final = (
    "woaini",
    "wodemima",
    "5201314",
    "1314520",
    "1314",
    "520",
    "zhongguo",
    "woaiwojia",
    "aini1314",
)


class NotGuessable:
    """A password validator of Django's kind."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError where a program of attackers would guess the passphrase soon."""
        own = [str(getattr(user, name, "") or "") for name in ("username", "full_name", "email")]
        # What is longer than the library looks at is judged by its beginning alone.
        if zxcvbn(password[:_LONGEST], user_inputs=[*own, *_IN_CHINA, "trialsite"])["score"] < _LEAST:
            raise ValidationError(self.get_help_text(), code="password_guessable")

    def get_help_text(self) -> str:
        return _(
            "This passphrase is known from breaches, or made of what is easily guessed. Take other words."
        )
