-- What each flag hash should look like: `base` with `overlay` laid over it. A null in either means that the field must
-- not exist. Every field of the overlay is in the base too, or taking the overlay away would leave it behind.
CREATE TABLE mover.desired_flags (
    key     text COLLATE "C" PRIMARY KEY CHECK (key <> ''),
    epoch   bigint NOT NULL CHECK (epoch > 0),
    base    jsonb NOT NULL CHECK (jsonb_typeof(base) = 'object'),
    overlay jsonb NOT NULL CHECK (jsonb_typeof(overlay) = 'object')
) WITH (fillfactor = 70);
