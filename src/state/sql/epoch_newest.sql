-- The newest epoch that was taken.
SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END AS epoch FROM mover.epoch_seq s
