-- Makes every new epoch higher than $1. Never lowers it.
SELECT setval('mover.epoch_seq', greatest($1, nextval('mover.epoch_seq')))
