//! Tables of texts and the tokens they give, with the tables that are part of the program.

use super::*;
use crate::elements::Analyzer::{Clinical, Mixed, Name, Nothing};

fn tokens(text: &str, analyzer: Analyzer) -> Vec<String> {
    let mut tokens = Vec::new();
    Analysis::built_in().tokens(text, analyzer, &mut |token| tokens.push(token.to_owned()));
    tokens
}

#[test]
fn texts_give_their_tokens() {
    let table: &[(Analyzer, &str, &[&str])] = &[
        // Latin clinical text: stems, concepts, words that say nothing left out.
        (Clinical, "Fractures of the wrists", &["fractur", "wrist", "=fracture"]),
        (Clinical, "C/O SOB", &["c", "o", "sob", "=dyspnea"]),
        (Clinical, "shortness of breath", &["short", "breath", "=dyspnea"]),
        (
            Clinical,
            "High blood pressure",
            &["high", "blood", "pressur", "=hypertension", "=blood_pressure"],
        ),
        (Clinical, "BP 120/80", &["bp", "120", "80", "=blood_pressure"]),
        (Clinical, "Anaemia", &["anemia", "=anemia"]),
        (Clinical, "T2DM", &["t2dm", "=type_2_diabetes_mellitus"]),
        (Clinical, "Dorjee", &["dorje"]),
        (Clinical, "the of", &[]),
        // Dzongkha: syllables, particles off, variants folded.
        (
            Clinical,
            "ཁྲག་ཤེད་མཐོ།",
            &["ཁྲག", "ཤེད", "མཐོ", "=hypertension", "=blood_pressure"],
        ),
        (Clinical, "ནདཔའི་མིང་", &["ནདཔ", "མིང"]),
        (Clinical, "ཐིམ༌ཕུ་ལུ", &["ཐིམ", "ཕུ"]),
        (Clinical, "༢༠༢༥ ལོ", &["2025", "ལོ"]),
        (
            Clinical,
            "གློ་ནད་ TB",
            &["གློ", "ནད", "tb", "=tuberculosis", "=tuberculosis"],
        ),
        // Names: spellings.
        (Name, "Sonam Dorjee", &["sonam", "dorje", "@sonam", "@dorji"]),
        (Name, "བསོད་ནམས་རྡོ་རྗེ", &["བསོད", "ནམས", "རྡོ", "རྗེ", "@sonam", "@dorji"]),
        (Name, "Dr BP", &["dr", "bp"]),
        (Mixed, "Dorjee: BP", &["dorje", "bp", "=blood_pressure", "@dorji"]),
        (Nothing, "Dorjee", &[]),
    ];
    for (analyzer, text, expected) in table {
        assert_eq!(tokens(text, *analyzer), *expected, "{text}");
    }
}

#[test]
fn what_is_asked_finds_what_is_written() {
    let analysis = Analysis::built_in();
    //            asked             written                     found
    let table = [
        ("HTN", "high blood pressure", Clinical, true),
        ("high blood pressure", "known HTN", Clinical, true),
        ("hypertensive", "hypertension", Clinical, true),
        ("blood pressure", "BP normal", Clinical, true),
        ("blood pressure", "pressure sore, gave blood", Clinical, true),
        ("BP", "pressure sore, gave blood", Clinical, false),
        ("high pressure", "BP normal", Clinical, false),
        ("tb", "Tuberculosis of lung", Clinical, true),
        ("URTI", "upper respiratory tract infections", Clinical, true),
        ("diabetes", "DM", Clinical, true),
        ("dorji", "Dorjee", Name, true),
        ("Tsering", "ཚེ་རིང་", Name, true),
        ("ཚེ་རིང", "Tshering", Name, true),
        ("dorji", "seen by Dorjee", Mixed, true),
        ("dorji", "Dorjee", Clinical, false),
        ("prasad", "PD", Clinical, false),
        ("ཐིམ་ཕུ", "ཐིམ༌ཕུ།", Clinical, true),
        ("ཁྲག་ཤེད་མཐོ", "HTN", Clinical, true),
    ];
    for (asked, written, analyzer, found) in table {
        let kept = tokens(written, analyzer);
        let words = analysis.words(asked);
        let meets = |word: &Word| word.iter().any(|token| kept.iter().any(|kept| **kept == **token));
        assert_eq!(
            !words.is_empty() && words.iter().all(meets),
            found,
            "{asked} in {written}: {words:?} {kept:?}"
        );
    }
}

#[test]
fn a_text_finds_itself_unless_it_says_nothing() {
    let analysis = Analysis::built_in();
    let texts = [
        "Known case of T2DM with HTN, BP 150/90; came with SOB",
        "བསོད་ནམས་རྡོ་རྗེ་ ནད་པའི་ཁྲག་ཤེད་མཐོ་ཡོདཔ།",
        "(*&^%$ .* [a-z]+ \\d \u{0} \u{1b}[0m",
        "Ünïcödé שלום русский 漢字 🩺",
    ];
    for text in texts {
        let kept = tokens(text, Mixed);
        for word in analysis.words(text) {
            assert!(
                word.iter().any(|token| kept.iter().any(|kept| **kept == **token)),
                "{text}: {word:?}"
            );
            assert!(
                word.iter().all(|token| token.len() <= 64 && !token.contains(' ')),
                "{word:?}"
            );
        }
    }
    for nothing in ["", "the of and", "གི་ལུ་དང་", " - .* \u{0} \u{7}", "།།"] {
        assert!(analysis.words(nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn other_tables_give_other_tokens_and_another_fingerprint() {
    let own = Tables::built_in()
        .unwrap()
        .with(Table::Names, "sonam\tsoonam\n")
        .unwrap();
    let own = Analysis::new(&own).unwrap();
    assert_ne!(own.fingerprint(), Analysis::built_in().fingerprint());
    assert_eq!(own.names.tokens("Soonam"), ["sonam"]);
    assert_eq!(Analysis::built_in().names.tokens("Soonam"), ["soonam"]);
    let again = Analysis::new(&Tables::read(own.tables()).unwrap()).unwrap();
    assert!(again == own && again.fingerprint() == own.fingerprint());
}

#[test]
fn a_long_text_is_read_in_time() {
    let began = std::time::Instant::now();
    for text in [
        "high blood ".repeat(50_000),
        "ཀ་".repeat(100_000),
        "x".repeat(1_000_000),
    ] {
        assert!(!Analysis::built_in().words(&text).is_empty());
    }
    assert!(began.elapsed().as_secs() < 10);
}
