-- The value with which all sessions begin.
SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '5min';
SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'
