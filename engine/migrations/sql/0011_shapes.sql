-- What of an agent a run under way depends on: its graph and its tools. Null where it was registered
-- by a version that did not say.
alter table agents
    add column shape text constraint shape_is_a_digest check (shape ~ '^[0-9a-f]{64}$');
