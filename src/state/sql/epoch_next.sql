-- Higher than every epoch so far.
SELECT nextval('mover.epoch_seq') AS epoch
