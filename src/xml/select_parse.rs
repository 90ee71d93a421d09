//! Parses the part of XPath 1.0 that selects nodes of a document, as RFC 5261 needs it and a little beyond.
//!
//! ```text
//! path      = ["/" | "//"] step { ("/" | "//") step }
//! step      = ("." | "id(" text ")" | [axis] test) { "[" or "]" }
//! axis      = "@" | "child::" | "attribute::" | "self::" | "namespace::"
//! test      = name | "*" | prefix ":*" | "text()" | "comment()" | "node()" | "processing-instruction(" [text] ")"
//! or        = and { "or" and }                  and = compared { "and" compared }
//! compared  = operand [("=" | "!=") operand]
//! operand   = number | text | "last()" | "position()" | "not(" or ")" | "count(" path ")" | path
//! ```

use crate::name;

/// Bytes a selector may have.
const BYTES_MAX: usize = 2_000;
/// How deep predicates may stand within predicates.
const DEPTH_MAX: usize = 8;

/// Which nodes are selected, step by step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) absolute: bool,
    pub(crate) steps: Vec<Step>,
}

/// One step from a node to others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    /// Whether it starts from everything below as well: what `//` says.
    pub(crate) deep: bool,
    pub(crate) test: Test,
    pub(crate) predicates: Vec<Expression>,
}

/// Which nodes a step comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Element(Name),
    Attribute(Name),
    Text,
    Comment,
    Instruction(Option<String>),
    Node,
    Itself,
    /// The element with that `id`, or `xml:id`.
    Id(String),
    /// The declaration of a prefix.
    Namespace(String),
}

/// A name as a selector writes it: empty prefix for none, `None` for any.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) prefix: String,
    pub(crate) local: Option<String>,
}

/// What a predicate says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    /// Two operands, and whether they shall be equal.
    Compare(Box<(Expression, Expression)>, bool),
    Not(Box<Expression>),
    Number(f64),
    Text(String),
    Last,
    Position,
    Count(Path),
    Path(Path),
}

/// Parses a selector.
///
/// # Errors
/// The end of a sentence that says what is wrong and where.
pub(crate) fn parse(text: &str) -> Result<Path, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("is longer than {BYTES_MAX} bytes"));
    }
    let mut parser = Parser { text, at: 0, depth: 0 };
    let path = parser.path().map_err(|what| format!("\"{text}\" {what}"))?;
    match parser.rest().is_empty() {
        true => Ok(path),
        false => Err(format!("\"{text}\" has \"{}\", which is not understood", parser.rest())),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Takes a mark and the white space around it, where it stands next.
    fn take(&mut self, mark: &str) -> bool {
        let before = self.at;
        self.space();
        if self.rest().starts_with(mark) {
            self.at += mark.len();
            self.space();
            return true;
        }
        self.at = before;
        false
    }

    /// Takes a word that is not the beginning of a longer name.
    fn take_word(&mut self, word: &str) -> bool {
        let before = self.at;
        self.space();
        if name::length(self.rest()) == word.len() && self.take(word) {
            return true;
        }
        self.at = before;
        false
    }

    fn expect(&mut self, mark: &str) -> Parsed<()> {
        match self.take(mark) {
            true => Ok(()),
            false => Err(format!("wants \"{mark}\" before \"{}\"", self.rest())),
        }
    }

    fn path(&mut self) -> Parsed<Path> {
        let (mut deep, absolute) = (self.take("//"), self.text[..self.at].ends_with("//") || self.take("/"));
        let mut steps = Vec::new();
        loop {
            steps.push(self.step(deep)?);
            deep = self.take("//");
            if !deep && !self.take("/") {
                return Ok(Path { absolute, steps });
            }
        }
    }

    fn step(&mut self, deep: bool) -> Parsed<Step> {
        let test = self.test()?;
        let mut predicates = Vec::new();
        while self.take("[") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(format!("nests deeper than {DEPTH_MAX} levels"));
            }
            predicates.push(self.or()?);
            self.depth -= 1;
            self.expect("]")?;
        }
        Ok(Step { deep, test, predicates })
    }

    fn test(&mut self) -> Parsed<Test> {
        self.space();
        if self.take("namespace::") {
            return Ok(Test::Namespace(self.name()?));
        }
        if self.take("@") || self.take("attribute::") {
            return Ok(Test::Attribute(self.qualified()?));
        }
        let itself = self.take("self::");
        if itself || self.take(".") {
            return match !itself || self.take("node()") {
                true => Ok(Test::Itself),
                false => Err("has self:: with something else than node()".into()),
            };
        }
        if self.take("id(") {
            let id = self.quoted()?.ok_or("has id() without a text in quotation marks")?;
            self.expect(")")?;
            return Ok(Test::Id(id));
        }
        self.take("child::");
        if self.take("processing-instruction(") {
            let target = self.quoted()?;
            self.expect(")")?;
            return Ok(Test::Instruction(target));
        }
        for (written, test) in [
            ("text()", Test::Text),
            ("comment()", Test::Comment),
            ("node()", Test::Node),
        ] {
            if self.take(written) {
                return Ok(test);
            }
        }
        Ok(Test::Element(self.qualified()?))
    }

    fn name(&mut self) -> Parsed<String> {
        let length = name::length(self.rest());
        if length == 0 {
            return Err(format!("wants a name before \"{}\"", self.rest()));
        }
        self.at += length;
        Ok(self.text[self.at - length..self.at].to_owned())
    }

    fn qualified(&mut self) -> Parsed<Name> {
        if self.take("*") {
            return Ok(Name {
                prefix: String::new(),
                local: None,
            });
        }
        let first = self.name()?;
        if !self.rest().starts_with(':') || self.rest().starts_with("::") {
            return Ok(Name {
                prefix: String::new(),
                local: Some(first),
            });
        }
        self.at += 1;
        let any = self.rest().starts_with('*');
        self.at += usize::from(any);
        Ok(Name {
            prefix: first,
            local: if any { None } else { Some(self.name()?) },
        })
    }

    fn quoted(&mut self) -> Parsed<Option<String>> {
        self.space();
        let Some(quote) = self.rest().chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            return Ok(None);
        };
        let (text, _) = self.rest()[1..]
            .split_once(quote)
            .ok_or("has a text that does not end")?;
        self.at += text.len() + 2;
        self.space();
        Ok(Some(text.to_owned()))
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut all = vec![self.and()?];
        while self.take_word("or") {
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 {
            all.remove(0)
        } else {
            Expression::Or(all)
        })
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut all = vec![self.compared()?];
        while self.take_word("and") {
            all.push(self.compared()?);
        }
        Ok(if all.len() == 1 {
            all.remove(0)
        } else {
            Expression::And(all)
        })
    }

    fn compared(&mut self) -> Parsed<Expression> {
        let left = self.operand()?;
        let equal = self.take("=");
        if !equal && !self.take("!=") {
            return Ok(left);
        }
        Ok(Expression::Compare(Box::new((left, self.operand()?)), equal))
    }

    fn operand(&mut self) -> Parsed<Expression> {
        if let Some(text) = self.quoted()? {
            return Ok(Expression::Text(text));
        }
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let number = self.rest()[..digits].parse().map_err(|_| "has a number that is none")?;
            self.at += digits;
            return Ok(Expression::Number(number));
        }
        if self.take("last()") {
            return Ok(Expression::Last);
        }
        if self.take("position()") {
            return Ok(Expression::Position);
        }
        if self.take("not(") {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(format!("nests deeper than {DEPTH_MAX} levels"));
            }
            let inner = self.or()?;
            self.depth -= 1;
            self.expect(")")?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.take("count(") {
            let path = self.path()?;
            self.expect(")")?;
            return Ok(Expression::Count(path));
        }
        Ok(Expression::Path(self.path()?))
    }
}
