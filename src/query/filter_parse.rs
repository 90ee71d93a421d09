//! The text of `_filter` taken apart (<https://hl7.org/fhir/R4/search_filter.html>).
//!
//! ```text
//! filter  = term (("and" | "or") term)*          from left to right: neither binds closer
//! term    = "not" "(" filter ")" | "(" filter ")" | path operator value
//! path    = name ("[" filter "]")? ("." path)?
//! value   = a JSON string, or anything without white space, ")" and "]"
//! ```

/// A filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Compare {
        /// At least one step.
        path: Vec<Step>,
        operator: Operator,
        value: String,
    },
}

/// One name of a path.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// What stands in brackets behind it.
    pub(crate) filter: Option<Filter>,
}

/// An operator; what each means stands in `filter.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Co,
    Sw,
    Ew,
    Gt,
    Lt,
    Ge,
    Le,
    Ap,
    Sa,
    Eb,
    Pr,
    Po,
    Ss,
    Sb,
    In,
    Ni,
    Re,
}

/// All operators with their names.
pub(crate) const OPERATORS: [(Operator, &str); 19] = [
    (Operator::Eq, "eq"),
    (Operator::Ne, "ne"),
    (Operator::Co, "co"),
    (Operator::Sw, "sw"),
    (Operator::Ew, "ew"),
    (Operator::Gt, "gt"),
    (Operator::Lt, "lt"),
    (Operator::Ge, "ge"),
    (Operator::Le, "le"),
    (Operator::Ap, "ap"),
    (Operator::Sa, "sa"),
    (Operator::Eb, "eb"),
    (Operator::Pr, "pr"),
    (Operator::Po, "po"),
    (Operator::Ss, "ss"),
    (Operator::Sb, "sb"),
    (Operator::In, "in"),
    (Operator::Ni, "ni"),
    (Operator::Re, "re"),
];

impl Operator {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        OPERATORS
            .iter()
            .find(|(known, _)| *known == self)
            .map_or("", |(_, name)| name)
    }
}

/// How deep parentheses and brackets may nest.
const DEPTH_MAX: usize = 32;
/// How many comparisons a filter may have.
const COMPARISONS_MAX: usize = 200;
/// How many characters a filter may have.
const LENGTH_MAX: usize = 16_000;

/// Takes a filter apart.
///
/// # Errors
/// What is wrong, and at which character, counted from 1.
pub(crate) fn parse(text: &str) -> Result<Filter, String> {
    if text.len() > LENGTH_MAX {
        return Err(format!("it is longer than {LENGTH_MAX} characters"));
    }
    let mut parser = Parser {
        text,
        at: 0,
        comparisons: 0,
    };
    let filter = parser.filter(0)?;
    match parser.peek() {
        None => Ok(filter),
        Some(_) => Err(parser.expected("`and`, `or` or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    comparisons: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// The next character that is no white space.
    fn peek(&mut self) -> Option<char> {
        self.skip();
        self.rest().chars().next()
    }

    fn expected(&self, what: &str) -> String {
        let place = self.text[..self.at].chars().count() + 1;
        let found: String = self.rest().chars().take(12).collect();
        match found.is_empty() {
            true => format!("at its end, {what} is missing"),
            false => format!("at character {place}, {what} was expected before `{found}`"),
        }
    }

    /// Takes a character if it comes next.
    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn require(&mut self, wanted: char) -> Result<(), String> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.expected(&format!("`{wanted}`")))
    }

    /// Takes a word if it comes next and ends there.
    fn word(&mut self, wanted: &str) -> bool {
        self.skip();
        let rest = self.rest();
        let ends = |rest: &str| !rest.starts_with(|c: char| is_of_name(c) || c == '.');
        let found = rest.strip_prefix(wanted).is_some_and(ends);
        if found {
            self.at += wanted.len();
        }
        found
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > DEPTH_MAX {
            return Err(format!("it nests deeper than {DEPTH_MAX} levels"));
        }
        let mut filter = self.term(depth)?;
        loop {
            let is_and = self.word("and");
            if !is_and && !self.word("or") {
                return Ok(filter);
            }
            let (left, right) = (Box::new(filter), Box::new(self.term(depth)?));
            filter = if is_and {
                Filter::And(left, right)
            } else {
                Filter::Or(left, right)
            };
        }
    }

    fn term(&mut self, depth: usize) -> Result<Filter, String> {
        let start = self.at;
        let negated = self.word("not");
        if self.take('(') {
            let inner = self.filter(depth + 1)?;
            self.require(')')?;
            return Ok(if negated { Filter::Not(Box::new(inner)) } else { inner });
        }
        // A parameter may be called `not`.
        self.at = start;
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Filter, String> {
        self.comparisons += 1;
        if self.comparisons > COMPARISONS_MAX {
            return Err(format!("it has more than {COMPARISONS_MAX} comparisons"));
        }
        let mut path = vec![self.step(depth)?];
        while self.rest().starts_with('.') {
            self.at += 1;
            path.push(self.step(depth)?);
        }
        self.skip();
        let known = OPERATORS.iter().find(|(_, name)| self.word(name));
        let Some((operator, _)) = known else {
            let names: Vec<&str> = OPERATORS.iter().map(|(_, name)| *name).collect();
            return Err(self.expected(&format!("one of {}", names.join(", "))));
        };
        let value = self.value()?;
        Ok(Filter::Compare {
            path,
            operator: *operator,
            value,
        })
    }

    fn step(&mut self, depth: usize) -> Result<Step, String> {
        self.skip();
        let rest = self.rest();
        let end = rest.find(|c: char| !is_of_name(c)).unwrap_or(rest.len());
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Err(self.expected("the name of a search parameter"));
        }
        self.at += end;
        let mut filter = None;
        if self.rest().starts_with('[') {
            self.at += 1;
            filter = Some(self.filter(depth + 1)?);
            self.require(']')?;
        }
        Ok(Step {
            name: rest[..end].to_owned(),
            filter,
        })
    }

    fn value(&mut self) -> Result<String, String> {
        if self.take('"') {
            return self.string();
        }
        let rest = self.rest();
        let ends = |c: char| c.is_whitespace() || matches!(c, ')' | ']');
        let end = rest.find(ends).unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a value"));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    /// The rest of a JSON string, after its first quotation mark.
    fn string(&mut self) -> Result<String, String> {
        let mut out = String::new();
        loop {
            let Some(character) = self.rest().chars().next() else {
                return Err(self.expected("the quotation mark that closes a text"));
            };
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(out),
                '\\' => out.push(self.escape()?),
                other => out.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let wrong = |parser: &Parser<'_>| parser.expected("an escape of JSON");
        let character = self.rest().chars().next().ok_or_else(|| wrong(self))?;
        let plain = match character {
            '"' | '\\' | '/' => character,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(),
            // What a search parameter escapes may be escaped here too; the backslash stays for it to read.
            '|' | ',' | '$' => return Ok('\\'),
            _ => return Err(wrong(self)),
        };
        self.at += character.len_utf8();
        Ok(plain)
    }

    /// `u` and four digits, twice for a character beyond them.
    fn code_point(&mut self) -> Result<char, String> {
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.expected("a character"));
        }
        if !self.rest().starts_with('\\') {
            return Err(self.expected("the second half of a character"));
        }
        self.at += 1;
        let second = self.unit()?;
        let joined = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
        let joined = joined.and_then(|low| char::from_u32(0x10000 + ((first - 0xd800) << 10) + low));
        joined.ok_or_else(|| self.expected("the second half of a character"))
    }

    fn unit(&mut self) -> Result<u32, String> {
        let digits = self.rest().get(1..5).filter(|_| self.rest().starts_with('u'));
        let digits = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.expected("`u` and four hexadecimal digits"))?;
        self.at += 5;
        Ok(unit)
    }
}

/// A colon narrows a reference to a kind, as it does in a chain.
fn is_of_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Random;

    fn shown(filter: &Filter) -> String {
        match filter {
            Filter::And(left, right) => format!("({} & {})", shown(left), shown(right)),
            Filter::Or(left, right) => format!("({} / {})", shown(left), shown(right)),
            Filter::Not(inner) => format!("!{}", shown(inner)),
            Filter::Compare { path, operator, value } => {
                let step = |step: &Step| match &step.filter {
                    Some(filter) => format!("{}[{}]", step.name, shown(filter)),
                    None => step.name.clone(),
                };
                let path: Vec<String> = path.iter().map(step).collect();
                format!("{} {} {value:?}", path.join("."), operator.as_str())
            }
        }
    }

    #[test]
    fn filters_come_apart() {
        let table = [
            (r#"name co "pet""#, r#"name co "pet""#),
            (
                r#"a eq 1 and b ge 2 or c pr true"#,
                r#"((a eq "1" & b ge "2") / c pr "true")"#,
            ),
            (
                r#"a eq 1 and (b ge 2 or not(c eq x))"#,
                r#"(a eq "1" & (b ge "2" / !c eq "x"))"#,
            ),
            (r#" not ( a eq 1 ) "#, r#"!a eq "1""#),
            (r#"subject:Patient.name sw x"#, r#"subject:Patient.name sw "x""#),
            (
                r#"related[type eq "has-component"].target re Observation/4"#,
                r#"related[type eq "has-component"].target re "Observation/4""#,
            ),
            (
                r#"code eq http://loinc.org|1234-5"#,
                r#"code eq "http://loinc.org|1234-5""#,
            ),
            (
                r#"name eq "a \"b\" \\ \u00e9 \ud83d\ude00 )]""#,
                r#"name eq "a \"b\" \\ é 😀 )]""#,
            ),
            (r#"(((a eq 1)))"#, r#"a eq "1""#),
            (r#"not eq x"#, r#"not eq "x""#),
            (r#"android eq or"#, r#"android eq "or""#),
            (r#"code eq "a\|b""#, r#"code eq "a\\|b""#),
        ];
        for (text, expected) in table {
            match parse(text) {
                Ok(filter) => assert_eq!(shown(&filter), expected, "{text}"),
                Err(why) => panic!("{text}: {why}"),
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let deep = format!("{}a eq 1{}", "(".repeat(50), ")".repeat(50));
        let long = format!("a eq 1{}", " and a eq 1".repeat(300));
        let table = [
            ("", "at its end, the name of a search parameter is missing"),
            ("name", "at its end, one of eq, ne"),
            ("name has x", "at character 6, one of eq, ne"),
            ("name eq", "at its end, a value is missing"),
            ("name eq )", "at character 9, a value was expected before `)`"),
            ("(a eq 1", "at its end, `)` is missing"),
            (
                "a eq 1 b eq 2",
                "at character 8, `and`, `or` or the end was expected before `b eq 2`",
            ),
            ("ཀ eq 1", "at character 1, the name"),
            (r#"a eq "x"#, "the quotation mark"),
            (r#"a eq "\x""#, "an escape of JSON"),
            (r#"a eq "\ud83d""#, "the second half"),
            (r#"a eq "\u12""#, "four hexadecimal digits"),
            ("a[b eq 1.c eq 2", "`]`"),
            (&deep, "deeper than 32"),
            (&long, "more than 200"),
        ];
        for (text, word) in table {
            let why = parse(text).unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
        assert!(parse(&"x".repeat(20_000)).unwrap_err().contains("longer"));
    }

    #[test]
    fn nothing_makes_it_panic() {
        let pieces = [
            "a", "eq", " ", "(", ")", "[", "]", "not", "and", "or", ".", "\"", "\\", "\\u", "d83d", "é", "|", ":", "1",
            "_", "😀",
        ];
        let mut random = Random::new(7);
        for _ in 0..20_000 {
            let count = random.below(14);
            let text: String = (0..count).map(|_| random.pick(&pieces)).collect();
            let _ = parse(&text);
        }
    }
}
