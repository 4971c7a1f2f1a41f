"""The tables of the casebook: what is captured and asked (`records`), and what was made of it by readers (`review`)."""

from trialsite.casebook.models.records import ASKED_AT as ASKED_AT
from trialsite.casebook.models.records import MOST_RECORDS as MOST_RECORDS
from trialsite.casebook.models.records import NormalLimit as NormalLimit
from trialsite.casebook.models.records import Query as Query
from trialsite.casebook.models.records import Record as Record
from trialsite.casebook.models.records import RecordQuerySet as RecordQuerySet
from trialsite.casebook.models.records import Score as Score
from trialsite.casebook.models.review import CasebookSignature as CasebookSignature
from trialsite.casebook.models.review import Lock as Lock
from trialsite.casebook.models.review import LockQuerySet as LockQuerySet
from trialsite.casebook.models.review import QueryMessage as QueryMessage
from trialsite.casebook.models.review import Verification as Verification
