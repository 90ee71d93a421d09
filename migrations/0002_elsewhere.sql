-- Versions made on other nodes, joins of what was made apart, and what a node notes down with them.
--
-- lag: how long after its own clock a version arrived here, in microseconds; negative where that clock is ahead, 0 for
-- what was made here. updated + lag rises along the log. merged_node, merged_counter: the second version that a join
-- was based on. aside: 1 for a version that is kept but never was its record's current one.
ALTER TABLE version ADD COLUMN lag BIGINT NOT NULL DEFAULT 0;
ALTER TABLE version ADD COLUMN merged_counter BIGINT;
ALTER TABLE version ADD COLUMN merged_node INTEGER;
ALTER TABLE version ADD COLUMN aside SMALLINT NOT NULL DEFAULT 0;
-- They are few: whoever looks for current versions by the other indexes leaves these out without opening a row.
CREATE INDEX version_aside ON version (record{and_seq}) WHERE aside = 1;

-- Small values that are written together with versions: how far another node has come, for example.
CREATE TABLE note (
  key {text} PRIMARY KEY,
  value {blob} NOT NULL
);
