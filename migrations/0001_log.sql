-- The log of versions and what is derived from it.
--
-- {key}, {blob}, {text}, {rowless} and {and_seq} are filled in for the engine. Times are microseconds since 1970.
-- version.node, counter, base_node, base_counter and updated are a version's identity and causality:
-- they mean the same on every replica. seq, record and kind are this database's own numbers.

-- The kinds of record that have ever been written, numbered as they came.
CREATE TABLE kind (
  number SMALLINT PRIMARY KEY,
  name {text} NOT NULL UNIQUE
);

-- Every record that ever was, its number and its latest version (perhaps a deletion). Derived: the log
-- alone says as much.
CREATE TABLE record (
  number BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  id {text} NOT NULL,
  PRIMARY KEY (kind, id)
){rowless};

-- The log: append-only, seq without a gap from 1 in the order of commits.
-- operation: 1 create, 2 update, 3 delete. hash: see src/store/seal.rs. body: see src/store/packing.rs.
CREATE TABLE version (
  seq {key} PRIMARY KEY,
  record BIGINT NOT NULL,
  counter BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  base_counter BIGINT,
  node INTEGER NOT NULL,
  base_node INTEGER,
  dictionary INTEGER NOT NULL,
  kind SMALLINT NOT NULL,
  operation SMALLINT NOT NULL,
  id {text} NOT NULL,
  hash {blob} NOT NULL,
  body {blob} NOT NULL
);
-- The latest version of one record is found through this index whatever the planner believes about the data.
CREATE INDEX version_of_record ON version (record{and_seq});
-- Kinds are few: PostgreSQL folds equal keys, which seq would prevent.
CREATE INDEX version_of_kind ON version (kind);

-- One row: the last numbers given. minted: ids up to here may have been given.
CREATE TABLE head (
  seq BIGINT NOT NULL,
  record BIGINT NOT NULL,
  counter BIGINT NOT NULL,
  clock BIGINT NOT NULL,
  minted BIGINT NOT NULL,
  node INTEGER NOT NULL
);

-- Values that one live record holds alone within a scope.
CREATE TABLE claim (
  scope {text} NOT NULL,
  value {text} NOT NULL,
  record BIGINT NOT NULL,
  PRIMARY KEY (scope, value)
);
CREATE INDEX claim_of_record ON claim (record);

-- Compression dictionaries by number; kind is empty for the one that serves every other kind.
CREATE TABLE dictionary (
  number INTEGER PRIMARY KEY,
  kind {text} NOT NULL,
  bytes {blob} NOT NULL
);
