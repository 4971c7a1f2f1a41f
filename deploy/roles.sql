-- The two roles, the database and the rights: the one source for the embedded server, for compose and
-- for a server of your own (PostgreSQL 17 or newer). Run it as a superuser with psql 15 or newer:
--
--   APP_PASSWORD=… OWNER_PASSWORD=… psql -v ON_ERROR_STOP=1 -v database=trialsite -f deploy/roles.sql "$ADMIN_URL"
--
-- It may run again at any time; passwords are changed only when their variable is set.
--
--   edc_owner  owns every table and migrates (DATABASE_OWNER_URL); not subject to row policies
--   edc_app    serves (DATABASE_URL): reads and writes rows under the row policies, alters nothing,
--              and gets no right on the audit trail but what the migrations leave it

\if :{?database} \else \set database trialsite \endif
\getenv app_password APP_PASSWORD
\getenv owner_password OWNER_PASSWORD

SELECT format('CREATE ROLE %I', name)
FROM (VALUES ('edc_owner'), ('edc_app')) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE edc_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;
ALTER ROLE edc_app LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION;
-- Nobody waits for ever behind somebody else's row: the request is refused and may be repeated.
ALTER ROLE edc_app SET lock_timeout = '10s';
-- Tests clone a template database.
\if :{?owner_creates_databases}
ALTER ROLE edc_owner CREATEDB;
\endif
\if :{?owner_password}
ALTER ROLE edc_owner PASSWORD :'owner_password';
\endif
\if :{?app_password}
ALTER ROLE edc_app PASSWORD :'app_password';
\endif

-- The builtin locale sorts the same on every machine and never changes with the system's libraries.
SELECT format(
    'CREATE DATABASE %I OWNER edc_owner TEMPLATE template0 ENCODING ''UTF8'' '
    'LOCALE_PROVIDER builtin BUILTIN_LOCALE ''C.UTF-8'' LC_COLLATE ''C'' LC_CTYPE ''C''',
    :'database'
)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'database')
\gexec

REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO edc_app;

\connect :"database"
GRANT USAGE ON SCHEMA public TO edc_app;
ALTER DEFAULT PRIVILEGES FOR ROLE edc_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO edc_app;
ALTER DEFAULT PRIVILEGES FOR ROLE edc_owner IN SCHEMA public
    GRANT USAGE, SELECT ON SEQUENCES TO edc_app;
