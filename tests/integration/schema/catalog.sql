-- The schema as lines of text that are the same on every PostgreSQL version, for db/schema.txt.
with spaces as (
    select oid, nspname from pg_namespace where nspname in ('public', 'sonnette', 'ops')
), lines as (
    select format('schema %s owner %s', nspname, nspowner::regrole) as line
    from pg_namespace where nspname in ('sonnette', 'ops')
    union all
    select format('%s %s.%s owner %s%s', case relkind when 'r' then 'table' when 'S' then 'sequence' else 'view' end,
                  nspname, relname, relowner::regrole, ' with ' || array_to_string(reloptions, ','))
    from pg_class join spaces on spaces.oid = relnamespace where relkind in ('r', 'S', 'v')
    union all
    select format('column %s.%s.%s %s%s%s%s', nspname, relname, attname, format_type(atttypid, atttypmod),
                  case when attnotnull then ' not null' end,
                  case when attidentity <> '' then ' generated always as identity' end,
                  ' default ' || pg_get_expr(adbin, adrelid))
    from pg_attribute
    join pg_class on pg_class.oid = attrelid and relkind = 'r'
    join spaces on spaces.oid = relnamespace
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where attnum > 0 and not attisdropped
    union all
    select format('constraint %s.%s.%s %s', nspname, relname, conname, pg_get_constraintdef(pg_constraint.oid))
    from pg_constraint
    join pg_class on pg_class.oid = conrelid
    join spaces on spaces.oid = relnamespace
    where contype in ('c', 'f', 'p', 'u')
    union all
    select format('index %s', pg_get_indexdef(indexrelid))
    from pg_index
    join pg_class on pg_class.oid = indexrelid
    join spaces on spaces.oid = relnamespace
    where not indisprimary
    union all
    select format('trigger %s on %s.%s enabled %s: %s', tgname, nspname, relname, tgenabled,
                  regexp_replace(pg_get_triggerdef(pg_trigger.oid), '^CREATE( CONSTRAINT)? TRIGGER \S+ ', ''))
    from pg_trigger
    join pg_class on pg_class.oid = tgrelid
    join spaces on spaces.oid = relnamespace
    where not tgisinternal
    union all
    select format('function %s returns %s owner %s%s%s', pg_proc.oid::regprocedure, prorettype::regtype,
                  proowner::regrole, case when prosecdef then ' security definer' end,
                  ' set ' || array_to_string(proconfig, '; '))
    from pg_proc join spaces on spaces.oid = pronamespace
    union all
    select format('grant %s on %s.%s to %s', string_agg(privilege_type, ', ' order by privilege_type),
                  nspname, relname, grantee::regrole)
    from pg_class join spaces on spaces.oid = relnamespace
    cross join lateral aclexplode(relacl)
    where relkind in ('r', 'S', 'v') and grantee <> relowner
    group by nspname, relname, grantee
    union all
    select format('grant %s on %s.%s.%s to %s', string_agg(privilege_type, ', ' order by privilege_type),
                  nspname, relname, attname, grantee::regrole)
    from pg_attribute
    join pg_class on pg_class.oid = attrelid
    join spaces on spaces.oid = relnamespace
    cross join lateral aclexplode(attacl)
    group by nspname, relname, attname, grantee
    union all
    select format('grant %s on schema %s to %s', string_agg(privilege_type, ', ' order by privilege_type),
                  nspname, grantee::regrole)
    from pg_namespace
    cross join lateral aclexplode(nspacl)
    where nspname in ('sonnette', 'ops') and grantee <> nspowner
    group by nspname, grantee
    union all
    select format('grant execute on %s to %s', pg_proc.oid::regprocedure,
                  case grantee when 0 then 'public' else grantee::regrole::text end)
    from pg_proc join spaces on spaces.oid = pronamespace
    cross join lateral aclexplode(coalesce(proacl, acldefault('f', proowner)))
    where grantee <> proowner
)
select line from lines order by line collate "C"
