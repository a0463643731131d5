-- An epoch higher than every earlier one.
SELECT nextval('mover.epoch_seq') AS epoch
