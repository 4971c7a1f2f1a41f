"""Settings: composition only. Values come from the environment, read strictly; see docs/operations.md."""

import base64
from datetime import timedelta
from pathlib import Path

from django.templatetags.static import static
from django.utils.translation import gettext_lazy

from trialsite import environment
from trialsite.environment import BadEnvironment
from trialsite.runtime.places import Places

BASE_DIR = Path(__file__).resolve().parent.parent
PLACES = Places(Path(environment.text("TRIALSITE_VAR", str(BASE_DIR / "var"))))

TRIALSITE_ENV = environment.choice("TRIALSITE_ENV", ("demo", "training", "prod"), "demo")
PROD = TRIALSITE_ENV == "prod"
DEBUG = environment.flag("DEBUG", False)
if PROD and DEBUG:
    raise BadEnvironment("TRIALSITE_ENV is prod, and there DEBUG must be False.")

# The demo's keys stand here for everyone to read; production refuses them.
_DEMO = {
    "SECRET_KEY": "demo-key-for-signing-cookies-known-to-everyone-never-for-patients",
    "DATA_KEYS": "ZGVtby1rZXktZm9yLWNvbnRhY3QtZGF0YS0wMDAwMDA=",
    "INDEX_KEYS": "ZGVtby1rZXktZm9yLWJsaW5kLWluZGV4ZXMtMDAwMDA=",
    "SEQUENCE_KEY": "ZGVtby1rZXktZm9yLXRoZS1zZWFsZWQtbGlzdC0wMDA=",
}


def _secret(name: str) -> str:
    value = environment.text(name, None if PROD else _DEMO[name])
    if not value:
        raise BadEnvironment(
            f"{name} is empty. Set {name}, or {name}_FILE to the path of a file that holds it."
        )
    if PROD and value == _DEMO[name]:
        raise BadEnvironment(
            f"{name} is the demo's key, which everyone can read. Make a key of your own for prod."
        )
    return value


def _keys(name: str) -> list[str]:
    keys = [key.strip() for key in _secret(name).split(",")]
    for key in keys:
        try:
            whole = len(base64.urlsafe_b64decode(key)) == 32
        except ValueError:
            whole = False
        if not whole:
            raise BadEnvironment(f"{name} must hold keys of 32 bytes each in URL-safe base64, comma between.")
        if PROD and key == _DEMO[name]:
            raise BadEnvironment(f"{name} holds the demo's key, which everyone can read.")
    return keys


SECRET_KEY = _secret("SECRET_KEY")
# Keys that wrap the data keys of contact details, newest first, each 32 bytes in URL-safe base64 (Fernet).
DATA_KEYS = _keys("DATA_KEYS")
# Keys of the blind indexes, newest first, in the same form.
INDEX_KEYS = _keys("INDEX_KEYS")
# The key that seals the randomization list, 32 bytes in base64; never in the database.
SEQUENCE_KEY = _secret("SEQUENCE_KEY")

# Heads of the ledger are copied here after each allocation; on another volume than the database. Empty: no witness.
# Production must name it: a place beside the database would be lost or put back together with it.
WITNESS_FILE = environment.text("WITNESS_FILE", None if PROD else str(PLACES.witness))
if PROD and not WITNESS_FILE:
    raise BadEnvironment("WITNESS_FILE is empty, and prod must not run without a witness of the ledger.")

ALLOWED_HOSTS = environment.listing("ALLOWED_HOSTS", "" if PROD else "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = environment.listing("TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "trialsite.core",
    "trialsite.outbox",
    "trialsite.audit",
    "trialsite.staff",
    "trialsite.protocol",
    "trialsite.sites",
    "trialsite.roster",
    "trialsite.participants",
    "trialsite.casebook",
    "eligibility",
    "randomization",
    "visits",
    "trialsite.safety",
    "trialsite.attachments",
    "trialsite.enrollment",
    "trialsite.exports",
    "trialsite.imports",
    "trialsite.console",
    "trialsite.demo",
    "trialsite.runtime",
]

MIDDLEWARE = [
    "trialsite.core.parsing.without_null_bytes",
    "trialsite.core.headers.ClientAddress",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    # Outside of whatever reads the database, so that a page about its absence carries the policy too.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "trialsite.core.headers.Headers",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "trialsite.staff.middleware.ComingFrom",
    "trialsite.staff.middleware.SessionLimits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "trialsite.staff.middleware.RequestTransaction",
]

ROOT_URLCONF = "trialsite.urls"
WSGI_APPLICATION = "trialsite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "trialsite" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# The serving role. Only `prepare_database`, backup and restore are given the owner's address.
# Row policies are planned with each statement, which costs more than most statements do. From its third time on a
# connection has it prepared; a pooler that shares connections between transactions must know of that.
SERVING_OPTIONS = {"server_side_binding": True, "prepare_threshold": 2}
DATABASES = {
    "default": environment.database(environment.text("DATABASE_URL", PLACES.app_url), **SERVING_OPTIONS)
    | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "DISABLE_SERVER_SIDE_CURSORS": False},
}
_owner_url = environment.text("DATABASE_OWNER_URL", "")
if _owner_url:
    DATABASES["owner"] = environment.database(_owner_url)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "staff.User"
# argon2id with Django's parameters: 2 passes over 100 MiB by 8 threads; about 50 ms.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "trialsite.staff.passphrases.NotGuessable"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "full_name", "email")},
    },
]
# The one door (docs/security.md). The admin's own sign-in page leads to it.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_ADAPTER = "trialsite.staff.door.Door"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
# `key`: of one user name from one address, so that nobody is locked out from elsewhere. `user`: of a person who is
# signed in. What one address may try in all, `staff.door` counts.
ACCOUNT_RATE_LIMITS = {
    "login": "",
    "login_failed": "6/5m/key",
    "reauthenticate": "10/5m/user",
}
MFA_ADAPTER = "trialsite.staff.second_factor.SecondFactor"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "trialsite.staff.second_factor.CodeForm",
    "reauthenticate": "trialsite.staff.second_factor.CodeAgainForm",
    "activate_totp": "trialsite.staff.second_factor.SetUpForm",
}
MFA_TOTP_ISSUER = "TrialSite"
# One step of 30 s either way: telephones and servers are not set by the same clock.
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Without a second factor nobody works in production.
MFA_REQUIRED = environment.flag("MFA_REQUIRED", PROD)
if PROD and not MFA_REQUIRED:
    raise BadEnvironment("TRIALSITE_ENV is prod, and there MFA_REQUIRED must be True.")
# Where people reach the pages; links in mail begin with it.
PUBLIC_URL = environment.text(
    "PUBLIC_URL",
    f"https://{ALLOWED_HOSTS[0].lstrip('.')}"
    if PROD and ALLOWED_HOSTS
    else f"http://localhost:{environment.number('PORT', 8000)}",
).rstrip("/")
# An invitation's link lives this long, in seconds.
PASSWORD_RESET_TIMEOUT = 3 * 24 * 3600

SESSION_ENGINE = "trialsite.staff.sessions"
SESSION_IDLE_SECONDS = environment.number("SESSION_IDLE_MINUTES", 30) * 60
SESSION_COOKIE_AGE = environment.number("SESSION_HOURS", 12) * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = False
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT = PROD
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31536000 if PROD else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PROD
SECURE_REDIRECT_EXEMPT = [r"^healthz/"]
if PROD:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if PROD:
    # A browser takes these names only over HTTPS, from this host, for all paths.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Hosts of one's own network that outgoing calls may reach; in production none unless they are named.
OUTGOING_PRIVATE_HOSTS = environment.listing(
    "OUTGOING_PRIVATE_HOSTS", "" if PROD else "localhost,127.0.0.1,::1"
)
# How many proxies stand before the web server, whose X-Forwarded-For is believed. Production says it: with a wrong
# number all people share the proxy's address in the trail and at the limits of the door, or may choose theirs.
TRUSTED_PROXIES = environment.number("TRUSTED_PROXIES", None if PROD else 0)
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

_POLICY = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "style-src": ["'self'"],
    "script-src": ["'self'"],
    "frame-ancestors": ["'none'"],
    "form-action": ["'self'"],
    "object-src": ["'none'"],
    "base-uri": ["'self'"],
}
CONTENT_SECURITY_POLICY = {"DIRECTIVES": _POLICY}
# What pages below a path need beyond it: the admin theme's Alpine compiles the expressions in its attributes, and both
# it and the API's description set styles on elements. No page anywhere runs a script that stands in the page itself.
CSP_MORE = {
    "/admin/": {"script-src": ["'unsafe-eval'"], "style-src": ["'unsafe-inline'"]},
    "/api/v1/docs/": {"style-src": ["'unsafe-inline'"]},
}

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
FORMAT_MODULE_PATH = ["trialsite.formats"]
USE_TZ = True
# For pages; rules use each hospital's own zone.
TIME_ZONE = "Asia/Shanghai"

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "trialsite.staff.permissions.Tokens",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "NUM_PROXIES": 0,  # ClientAddress has found the address
    "DEFAULT_THROTTLE_CLASSES": ["trialsite.staff.throttle.RequestsPerMinute"],
    "DEFAULT_PERMISSION_CLASSES": ["trialsite.staff.permissions.HasCapability"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["trialsite.core.parsing.BoundedJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "trialsite.core.pages.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "trialsite.core.http.problem_handler",
    "COERCE_DECIMAL_TO_STRING": True,
}
API_REQUESTS_PER_MINUTE = environment.number("API_REQUESTS_PER_MINUTE", 1200)
REST_KNOX = {"AUTO_REFRESH": False, "TOKEN_TTL": timedelta(days=90)}
KNOX_TOKEN_MODEL = "staff.Token"  # noqa: S105 -- the name of a model
SPECTACULAR_SETTINGS = {
    "TITLE": "TrialSite" if PROD else f"TrialSite ({TRIALSITE_ENV}: invented people, do not enter patients)",
    "DESCRIPTION": "Trial data management: participants, records, eligibility, randomization, visits, reminders.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "trialsite.core.openapi.add_refusals",
    ],
    "ENUM_NAME_OVERRIDES": {
        "SiteState": "trialsite.sites.models.Site.State",
        "SchemeState": "randomization.models.Scheme.State",
        "ImportState": "trialsite.imports.models.Import.State",
        "RecordState": "trialsite.casebook.models.Record.State",
        "QueryState": "trialsite.casebook.models.Query.State",
        "VisitState": "visits.models.Visit.State",
        "MessageState": "trialsite.outbox.models.Message.State",
        "MessageChannel": "trialsite.outbox.models.Message.Channel",
        "ContactChannel": "trialsite.participants.models.Contact.Channel",
        "LockKind": "trialsite.casebook.models.Lock.Kind",
        "LockLevel": "trialsite.casebook.models.Lock.Level",
        "WithdrawalLevel": "trialsite.participants.models.Withdrawal.Level",
        "ErrorKind": [(kind, kind) for kind in ("ineligible", "stratum", "person", "other")],
        "CriterionKind": [("inclusion", "inclusion"), ("exclusion", "exclusion")],
    },
}

_mail = environment.email(environment.text("EMAIL_URL", f"file://{PLACES.mail}"))
EMAIL_BACKEND = str(_mail["EMAIL_BACKEND"])
EMAIL_FILE_PATH = _mail.get("EMAIL_FILE_PATH")
EMAIL_HOST = str(_mail.get("EMAIL_HOST", ""))
EMAIL_PORT = _mail.get("EMAIL_PORT", 25)
EMAIL_HOST_USER = str(_mail.get("EMAIL_HOST_USER", ""))
EMAIL_HOST_PASSWORD = str(_mail.get("EMAIL_HOST_PASSWORD", ""))
EMAIL_USE_TLS = bool(_mail.get("EMAIL_USE_TLS", False))
EMAIL_USE_SSL = bool(_mail.get("EMAIL_USE_SSL", False))
EMAIL_TIMEOUT = 20
# Participants' families read it: it must not tell of a trial (trialsite.protocol.discretion looks at the start).
DEFAULT_FROM_EMAIL = environment.text("MAIL_FROM", None if PROD else "noreply@localhost")

# The SMS provider: https, or http to this machine. Empty: no SMS.
SMS_URL = environment.web_address("SMS_URL")
SMS_TOKEN = environment.text("SMS_TOKEN", None if SMS_URL else "")
SMS_SENDER = environment.text("SMS_SENDER", "")
SMS_TIMEOUT = environment.number("SMS_TIMEOUT_SECONDS", 20)
CELERY_BROKER_URL = environment.text("BROKER_URL", PLACES.broker_url)
# Limits hold across processes because all of them count in the same place: the broker's server, a database of its own.
_CACHE_URL = environment.text("CACHE_URL", CELERY_BROKER_URL)
_SHARED = {
    "BACKEND": "django.core.cache.backends.redis.RedisCache",
    "LOCATION": environment.cache(_CACHE_URL) if PROD or not _CACHE_URL.startswith("memory:") else "",
}
# Benchmarks and harnesses run without a broker: their one process has nothing to share.
_OWN = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = {"default": _SHARED if _SHARED["LOCATION"] else _OWN}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
# A request must not wait for a broker that is down: beat picks up what could not be announced.
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
}
CELERY_TIMEZONE = "UTC"
# Under change control: no schedule is kept in the database.
PLAN_EVERY = environment.number("PLAN_EVERY_SECONDS", 60)
# A round that no worker has begun when the next one is due is dropped: after a stand-still one round does all.
CELERY_BEAT_SCHEDULE = {
    "plan-reminders": {
        "task": "visits.tasks.plan_reminders",
        "schedule": PLAN_EVERY,
        "options": {"expires": 2 * PLAN_EVERY},
    },
    "plan-safety": {
        "task": "trialsite.safety.tasks.plan",
        "schedule": PLAN_EVERY,
        "options": {"expires": 2 * PLAN_EVERY},
    },
    "remind-of-queries": {
        "task": "trialsite.casebook.tasks.remind",
        "schedule": 600,
        "options": {"expires": 1200},
    },
    # What a worker left when it died, or the broker was not told.
    "resume-imports": {
        "task": "trialsite.imports.tasks.resume",
        "schedule": PLAN_EVERY,
        "options": {"expires": 2 * PLAN_EVERY},
    },
    "resume-snapshots": {
        "task": "trialsite.exports.tasks.resume",
        "schedule": 600,
        "options": {"expires": 1200},
    },
    "seal-trail": {"task": "trialsite.audit.tasks.seal", "schedule": 240},
    # Every hour, so that a worker that was down catches up; once a day a message is put.
    "mail-trail-head": {"task": "trialsite.roster.tasks.mail_trail_head", "schedule": 3600},
    "plan-access-reviews": {"task": "trialsite.roster.tasks.plan_reviews", "schedule": 3600},
    "send-messages": {
        "task": "trialsite.outbox.tasks.send_due",
        "schedule": PLAN_EVERY,
        "options": {"expires": 2 * PLAN_EVERY},
    },
}

# Where the outbox asks for the text of a message, or for its cancellation, at the moment of sending.
OUTBOX_RESOLVERS = {
    "trail_head": "trialsite.roster.witnesses.resolve",
    "access_review": "trialsite.roster.reminders.resolve",
    "visit": "visits.reminders.resolve",
    "sae": "trialsite.safety.reminders.resolve",
    "query": "trialsite.casebook.reminders.resolve",
    "same_person": "trialsite.participants.alerts.resolve",
    "digest": "visits.digest.resolve",
    "allocation": "trialsite.enrollment.notices.resolve_allocation",
    "other_strata": "trialsite.enrollment.notices.resolve_other_strata",
    "envelope_refused": "trialsite.enrollment.notices.resolve_envelope_refused",
    "invitation": "trialsite.console.invitations.resolve",
}
# How people read the kinds.
OUTBOX_TITLES = {
    "trail_head": gettext_lazy("head of the trail"),
    "access_review": gettext_lazy("review of access"),
    "visit": gettext_lazy("reminder of a visit"),
    "sae": gettext_lazy("safety report"),
    "query": gettext_lazy("queries without an answer"),
    "same_person": gettext_lazy("same person at two hospitals"),
    "invitation": gettext_lazy("invitation"),
    "digest": gettext_lazy("daily digest"),
    "allocation": gettext_lazy("allocation"),
    "other_strata": gettext_lazy("other stratification values"),
    "envelope_refused": gettext_lazy("refused envelope"),
}
# What the rules of reminders are called: a function from a language to names by rule.
OUTBOX_RULE_NAMES = "visits.reading.rule_names"
# Kinds that a member of staff may refuse; all others always come.
OUTBOX_OPTIONAL = ("visit", "digest", "query")

# What /healthz/ready asks; each answers "ok" or says what is wrong.
READINESS = {
    "database": "trialsite.core.health.database",
    "guards": "trialsite.audit.posture.ready",
    "senders": "trialsite.protocol.discretion.ready",
    "list": "randomization.continuity.ready",
    "broker": "trialsite.core.health.broker",
    "clock": "trialsite.core.health.clock",
}
# Heads of the trail that other tables keep: `verify_audit` looks whether they still stand in it.
TRAIL_HEADS = {
    "reviews of the trail": "SELECT head FROM roster_trailreview WHERE head <> '' ORDER BY id",
    "snapshots": "SELECT head FROM exports_snapshot WHERE head <> '' ORDER BY id",
    "mails": "SELECT payload ->> 'head' FROM outbox_message WHERE kind = 'trail_head' ORDER BY id",
}
# A table is audited, or stands here with the reason.
AUDIT_EXEMPT = {
    "audit_event": "the trail itself",
    "audit_seal": "seals of the trail",
    "audit_epoch": "seals of the trail",
    "django_migrations": "written by the owner at deployment, before any actor exists",
    "django_content_type": "written by the owner at deployment",
    "django_admin_log": "not used: the trail replaces it",
    "staff_session": "rows of browsers that come and go; sign-in, sign-out and end are noted in the trail",
    "staff_tokenuse": "the last use of a token; what it did is trailed by itself",
    "account_emailaddress": "not used: an account's address stands in staff_user",
    "account_emailconfirmation": "not used",
    "auth_group": "not used",
    "auth_group_permissions": "not used",
    "auth_permission": "not used: the permission file decides",
    "knox_authtoken": "not used: staff_token takes its place",
    "staff_rolecapability": "a copy of the permission file, written by the owner at deployment",
}
# A table stands under a site policy, or here with the reason.
SITE_EXEMPT = {
    "audit_seal": "hashes only",
    "audit_epoch": "names of clusters",
    "django_migrations": "no trial data",
    "django_content_type": "no trial data",
    "django_admin_log": "not used",
    "staff_session": "read before anyone is known; no trial data",
    "staff_tokenuse": "no trial data",
    "account_emailaddress": "not used",
    "account_emailconfirmation": "not used",
    "mfa_authenticator": "read before anyone is known; encrypted",
    "auth_group": "not used",
    "auth_group_permissions": "not used",
    "auth_permission": "not used",
    "knox_authtoken": "not used: staff_token takes its place",
    "staff_user": "read before anyone is known; no clinical data",
    "staff_rolecapability": "read by the row policies themselves",
    "staff_token": "read before anyone is known",
    "sites_site": "names and targets of the hospitals, known to all staff",
    "protocol_protocolversion": "the trial's definition, the same for all",
    "visits_holiday": "the official calendar, the same for all",
    "visits_holidayyear": "the official calendar, the same for all",
    "visits_feed": "read before anyone is known; a digest and a name",
    "exports_snapshot": "names, sizes and hashes of files; the files are given out by right",
    "randomization_scheme": "one row for the whole trial, without any arm of a participant",
    "randomization_sealedentry": "ciphertext only",
    "randomization_era": "positions and hashes only; no arm and no participant",
    "randomization_attestation": "positions and hashes only; no arm and no participant",
    "outbox_preference": "which kinds of messages a member of staff wants; no participant",
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "trialsite.core.logs.JsonLines"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    # Refusals stand in trialsite.request by their route; here they would be told once more, with the path.
    "loggers": {"django.request": {"level": "ERROR"}},
}

UNFOLD = {
    "SITE_TITLE": "TrialSite",
    "SITE_HEADER": "TrialSite",
    "SITE_URL": None,
    "SITE_SYMBOL": "clinical_notes",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("console/favicon.svg")}
    ],
    "SHOW_LANGUAGES": True,
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "trialsite.console.navigation.environment",
    "DASHBOARD_CALLBACK": "trialsite.console.dashboard.context",
    "STYLES": [
        lambda request: static("console/console.css"),
        lambda request: static("console/calendar.css"),
        lambda request: static("console/casebook.css"),
    ]
    + ([] if PROD else [lambda request: static(f"console/banner-{TRIALSITE_ENV}.css")]),
    "SCRIPTS": [lambda request: static("console/console.js")],
    "ACCOUNT": {"navigation": "trialsite.console.navigation.own"},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "trialsite.console.navigation.sidebar",
    },
}
