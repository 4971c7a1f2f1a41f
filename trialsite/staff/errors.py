"""What can go wrong with people, passwords and signatures."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Forbidden, Invalid


class WrongPassword(Forbidden):
    """The password entered for a signature is not the signer's."""

    code = "wrong_password"
    message = _("The password is not correct. Nothing was signed.")


class NoSuchRole(Invalid):
    """A role that the permission file does not know."""

    code = "no_such_role"
    message = _("There is no role “{role}”.")
