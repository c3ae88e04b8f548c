-- The roles that Sonnette's processes connect as. They belong to the whole cluster, so they are
-- created only where they are missing; and this runs at every `sonnette migrate`, because a restored
-- database may stand in a cluster that has never seen them.
--   sonnette_owner     owns everything, nobody logs in as it
--   sonnette_service, sonnette_poller, sonnette_gateway     one for each process
--   sonnette_operator  people in psql
do $$
declare
    role_name text;
begin
    foreach role_name in array array['sonnette_owner', 'sonnette_service', 'sonnette_poller',
                                     'sonnette_gateway', 'sonnette_operator'] loop
        if not exists (select from pg_roles where rolname = role_name) then
            execute format('create role %I %s', role_name,
                           case role_name when 'sonnette_owner' then 'nologin' else 'login' end);
        end if;
    end loop;
    if not pg_has_role(current_user, 'sonnette_owner', 'member') then
        execute format('grant sonnette_owner to %I', current_user);
    end if;

    execute format('revoke connect, temporary on database %I from public', current_database());
    execute format('grant connect on database %I to sonnette_service, sonnette_poller, sonnette_gateway, sonnette_operator',
                   current_database());
    execute format('grant connect, create, temporary on database %I to sonnette_owner', current_database());
    grant usage, create on schema public to sonnette_owner;
    grant usage on schema public to sonnette_service, sonnette_poller, sonnette_gateway, sonnette_operator;

    alter role sonnette_service set idle_in_transaction_session_timeout = '15s';
    alter role sonnette_poller set idle_in_transaction_session_timeout = '15s';
    alter role sonnette_gateway set idle_in_transaction_session_timeout = '15s';
    alter role sonnette_operator set idle_in_transaction_session_timeout = '60s';
    -- The server's log would carry codes in "Failing row contains (...)", in the parameters of a statement that
    -- is slow or fails, and in what operators type. Only a superuser may set this, and give the next.
    if (select rolsuper from pg_roles where rolname = current_user) then
        foreach role_name in array array['sonnette_service', 'sonnette_poller', 'sonnette_gateway', 'sonnette_operator'] loop
            execute format('alter role %I set log_error_verbosity = ''terse''', role_name);
            execute format('alter role %I set log_min_error_statement = ''panic''', role_name);
            execute format('alter role %I set log_parameter_max_length = 0', role_name);
            execute format('alter role %I set log_parameter_max_length_on_error = 0', role_name);
        end loop;
        alter role sonnette_operator set log_statement = 'none';
        alter role sonnette_operator set log_min_duration_statement = -1;
        -- ops.blocked() says since when a session waits and what holds it up.
        grant pg_read_all_stats to sonnette_owner;
    end if;
end
$$;
