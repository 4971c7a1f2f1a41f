"""What guards the truth in the database, line by line, and what is expected of it.

`guards.txt` beside this file holds what the migrations of this release leave behind; `make guards` writes it from a
database that was just migrated, and a test compares the two. So each release carries its own expectation, out of reach
of whoever owns the database.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

EXPECTED: Final = Path(__file__).with_name("guards.txt")

# One line each: of what | kind | name | content. The owner's own rights are left out: they follow from owning.
_PRESENT: Final = """
WITH rights AS (
    SELECT 'relation' AS kind, oid, relacl AS acl, relowner AS owner FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT 'function', oid, coalesce(proacl, acldefault('f', proowner)), proowner FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'schema', oid, nspacl, nspowner FROM pg_namespace WHERE nspname = 'public'
), granted AS (
    SELECT kind, oid, string_agg(who || '=' || what, ' ' ORDER BY who) AS told
      FROM (SELECT kind, r.oid, coalesce(rolname, 'everybody') AS who,
                   string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ','
                              ORDER BY privilege_type) AS what
              FROM rights r, aclexplode(r.acl) a LEFT JOIN pg_roles ON pg_roles.oid = a.grantee
             WHERE a.grantee <> r.owner
             GROUP BY 1, 2, 3) AS each
     GROUP BY 1, 2
)
SELECT relname, 'owner, row security and rights', '',
       concat_ws(' ', relkind::text, 'owner=' || relowner::regrole, 'row_security=' || relrowsecurity,
                 'forced=' || relforcerowsecurity, told)
  FROM pg_class c LEFT JOIN granted g ON g.oid = c.oid AND g.kind = 'relation'
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT attrelid::regclass::text, 'rights on column', attname, attacl::text
  FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'public'::regnamespace AND attacl IS NOT NULL
UNION ALL
SELECT tablename, 'policy', policyname,
       concat_ws(' ', lower(permissive), cmd, 'to ' || array_to_string(roles, ','), 'using ' || qual,
                 'check ' || with_check)
  FROM pg_policies WHERE schemaname = 'public'
UNION ALL
SELECT relname, 'trigger', tgname, concat_ws(' ', 'enabled=' || tgenabled::text, pg_get_triggerdef(t.oid))
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
 WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
UNION ALL
SELECT relname, 'foreign key, disabled', tgname, tgenabled::text
  FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
 WHERE relnamespace = 'public'::regnamespace AND tgisinternal AND tgenabled <> 'O'
UNION ALL
SELECT relname, 'rule', rulename, pg_get_ruledef(r.oid)
  FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE relnamespace = 'public'::regnamespace
UNION ALL
SELECT relname, 'constraint', conname, pg_get_constraintdef(k.oid)
  FROM pg_constraint k JOIN pg_class c ON c.oid = conrelid
 WHERE relnamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u', 'x')
UNION ALL
SELECT indrelid::regclass::text, 'unique index', relname,
       pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' invalid' END
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid
 WHERE relnamespace = 'public'::regnamespace AND indisunique
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
UNION ALL
SELECT relname, 'columns', '',
       string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
                            CASE WHEN attnotnull THEN 'not null' END, nullif(attidentity, ''),
                            'default ' || pg_get_expr(adbin, adrelid)), ', ' ORDER BY attname)
  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
 GROUP BY relname
UNION ALL
SELECT p.oid::regprocedure::text, 'function', '',
       concat_ws(' ', 'owner=' || proowner::regrole, prorettype::regtype, lanname, provolatile::text,
                 CASE WHEN prosecdef THEN 'as its owner' END, array_to_string(proconfig, ' '), told,
                 encode(sha256(convert_to(prosrc, 'UTF8')), 'hex'))
  FROM pg_proc p JOIN pg_language l ON l.oid = prolang LEFT JOIN granted g ON g.oid = p.oid AND g.kind = 'function'
 WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT nspname, 'schema', '', told FROM pg_namespace n LEFT JOIN granted g ON g.oid = n.oid AND g.kind = 'schema'
 WHERE nspname = 'public'
UNION ALL
SELECT rolname, 'role', '', concat_ws(' ', CASE WHEN rolsuper THEN 'superuser' END,
       CASE WHEN rolbypassrls THEN 'bypasses row security' END, CASE WHEN rolcreaterole THEN 'creates roles' END,
       'member of',
       (SELECT string_agg(roleid::regrole::text, ',' ORDER BY 1) FROM pg_auth_members WHERE member = r.oid))
  FROM pg_roles r WHERE rolname = 'edc_app'
"""
Guard = tuple[str, str, str]

_WORD: Final = r"'(?:[^']|'')*'"
# PostgreSQL spells an array of words in one way when it is made and in another once it was restored: both become the
# shorter one, in which each word is text.
_MADE: Final = re.compile(rf"\(ARRAY\[((?:{_WORD}::character varying(?:, )?)+)\]\)::text\[\]")
_RESTORED: Final = re.compile(rf"\(({_WORD})::character varying\)::text")


def present(cursor: Any) -> dict[Guard, str]:
    """{(of what, kind, name): content} of everything that guards the schema which `cursor` looks at."""
    cursor.execute(_PRESENT)
    return {(of, kind, name): _spelt(content) for of, kind, name, content in cursor.fetchall()}


@cache
def expected() -> dict[Guard, str]:
    """The same, as this release expects it."""
    return dict(_read(line) for line in EXPECTED.read_text(encoding="utf-8").splitlines())


def written(guards: dict[Guard, str]) -> str:
    """`guards` as the file holds them."""
    return "".join(" | ".join((*guard, content)) + "\n" for guard, content in sorted(guards.items()))


def differences(standing: dict[Guard, str]) -> Iterator[str]:
    """Which guards are missing, were changed, or were added; by name alone, since whoever asks `ready` reads it."""
    wanted = expected()
    for guard in sorted(wanted.keys() | standing.keys()):
        if standing.get(guard) != wanted.get(guard):
            how = "added" if guard not in wanted else "changed" if guard in standing else "missing"
            yield f"{guard[0]}: {' '.join(filter(None, guard[1:]))}: {how}"


def _spelt(content: str) -> str:
    made = _MADE.sub(lambda found: f"ARRAY[{found[1].replace('::character varying', '::text')}]", content)
    return " ".join(_RESTORED.sub(r"\1::text", made).split())


def _read(line: str) -> tuple[Guard, str]:
    of, kind, name, content = line.split(" | ", 3)
    return (of, kind, name), content
