//! The tables as diesel knows them; `migrations/` says what they are for.

diesel::table! {
    migration (number) {
        number -> Integer,
        name -> Text,
    }
}

diesel::table! {
    kind (number) {
        number -> SmallInt,
        name -> Text,
    }
}

diesel::table! {
    record (kind, id) {
        number -> BigInt,
        seq -> BigInt,
        kind -> SmallInt,
        id -> Text,
    }
}

diesel::table! {
    version (seq) {
        seq -> BigInt,
        record -> BigInt,
        counter -> BigInt,
        updated -> BigInt,
        base_counter -> Nullable<BigInt>,
        node -> Integer,
        base_node -> Nullable<Integer>,
        dictionary -> Integer,
        kind -> SmallInt,
        operation -> SmallInt,
        id -> Text,
        hash -> Binary,
        body -> Binary,
        lag -> BigInt,
        merged_counter -> Nullable<BigInt>,
        merged_node -> Nullable<Integer>,
        aside -> SmallInt,
    }
}

diesel::table! {
    head (seq) {
        seq -> BigInt,
        record -> BigInt,
        counter -> BigInt,
        clock -> BigInt,
        minted -> BigInt,
        node -> Integer,
    }
}

diesel::table! {
    claim (scope, value) {
        scope -> Text,
        value -> Text,
        record -> BigInt,
    }
}

diesel::table! {
    dictionary (number) {
        number -> Integer,
        kind -> Text,
        bytes -> Binary,
    }
}

diesel::table! {
    note (key) {
        key -> Text,
        value -> Binary,
    }
}

diesel::allow_tables_to_appear_in_same_query!(version, record);
