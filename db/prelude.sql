-- What every migration begins with, once the roles are there.
set local lock_timeout = '2s';
set local role sonnette_owner;
set local timezone = 'UTC';
create schema if not exists sonnette;
create table if not exists sonnette.repeatables (
    name text primary key,
    hash text not null,
    applied_at timestamptz not null default now()
);
