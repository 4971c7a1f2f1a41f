"""What can go wrong with people, passwords and signatures."""

from django.utils.translation import gettext_lazy as _

from trialsite.core.errors import Conflict, DomainError, Forbidden, Invalid


class WrongPassword(Forbidden):
    """The password entered for a signature is not the signer's."""

    code = "wrong_password"
    message = _("The password is not correct. Nothing was signed.")


class NoSuchRole(Invalid):
    """A role that the permission file does not know."""

    code = "no_such_role"
    message = _("There is no role “{role}”.")


class RoleStands(Conflict):
    """The person holds this role there already, from or until another moment than was asked for."""

    code = "role_stands"
    message = _("{person} is {role} there since {since} already, without an end. End that first.")


class RolesApart(Conflict):
    """The person holds a role that may not be held together with the one asked for."""

    code = "roles_apart"
    message = _("{person} is {held} there: nobody may be that and {role} at once.")


class BeyondOwnRights(Invalid):
    """A token was asked to do more, or at other hospitals, than the account that it belongs to."""

    code = "beyond_own_rights"
    message = _("A token can do no more than the account that it belongs to.")


class NotByToken(Forbidden):
    """A token asked for another key, which would go on after it and might reach further."""

    code = "not_by_token"
    message = _("A token makes no further token and no feed. Sign in to make one.")


class CodeNeeded(Forbidden):
    """The first signature of a session asks for a code of the second factor, and none was given."""

    code = "code_needed"
    message = _("Enter the code of your second factor as well. Nothing was signed.")


class WrongCode(Forbidden):
    """The code given is not one of the signer's second factor, or was used before."""

    code = "wrong_code"
    message = _("The code is not correct. Nothing was signed.")


class NoSecondFactor(Forbidden):
    """Signing needs a second factor here, and this account has none."""

    code = "no_second_factor"
    message = _("Set up a second factor before you sign.")


class TooManyAttempts(DomainError):
    """Too many wrong entries within a few minutes."""

    code = "too_many_attempts"
    status = 429
    message = _("Too many wrong entries. Wait five minutes and try again.")


class InvitationSpent(Conflict):
    """The link of an invitation was used, has run out, or was replaced by a newer one."""

    code = "invitation_spent"
    message = _("This link is no longer valid. Ask your administrator for a new one.")


class NameTaken(Conflict):
    """The user name belongs or belonged to someone; names are never given again."""

    code = "name_taken"
    message = _("This user name belongs, or once belonged, to someone. Choose another.")


class NotOneself(Forbidden):
    """Nobody gives the own account a role, closes it, or takes away the own second factor in another's place."""

    code = "not_oneself"
    message = _("Ask another administrator to do this to your own account.")
