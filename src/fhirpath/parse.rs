//! Builds the compiled form of an expression from its tokens, by precedence.
//!
//! From loosest to tightest: `implies`; `or` `xor`; `and`; `in` `contains`; `=` `~` `!=` `!~`;
//! `<` `<=` `>` `>=`; `|`; `is` `as`; `+` `-` `&`; `*` `/` `div` `mod`; the signs `+` `-`; `.` `[]`. Recursion
//! and the depth of what is built are bounded, so that neither parsing nor evaluating nor dropping an
//! expression can overrun the stack.

use fhir::name::Name;

use crate::calls::{Arguments, compiled};
use crate::expression::Invalid;
use crate::quantity::{Quantity, Unit};
use crate::syntax::{Expr, Gather, Link, Operator, Path, Step, System, TypeName};
use crate::token::{Token, tokens};
use crate::value::Item;

/// The longest text that is parsed, in bytes.
const LENGTH_LIMIT: usize = 64 * 1024;
/// The deepest tree that is built, a path's steps counted one each.
const DEPTH_LIMIT: u32 = 200;
/// How deeply brackets may nest.
const NESTING_LIMIT: u32 = 60;

/// Parses a text.
pub(crate) fn parse(text: &str) -> Result<Expr, Invalid> {
    if text.len() > LENGTH_LIMIT {
        let message = format!(
            "An expression may be {LENGTH_LIMIT} bytes long; this one has {}",
            text.len()
        );
        return Err(Invalid {
            message,
            at: 0,
            grammatical: false,
        });
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        nesting: 0,
        indexes: 0,
    };
    let parsed = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(parsed.expr),
        _ => parser.invalid("The expression should end here or go on with an operator"),
    }
}

/// A part with the depth of its tree.
struct Parsed {
    expr: Expr,
    depth: u32,
}

fn leaf(expr: Expr) -> Parsed {
    Parsed { expr, depth: 1 }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    nesting: u32,
    /// How many `$index` were read so far.
    indexes: usize,
}

/// What stands between two operands.
enum Infix {
    Operator(Operator),
    Union,
    Is,
    As,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn invalid<T>(&self, message: &str) -> Result<T, Invalid> {
        let (token, at) = &self.tokens[self.at];
        let message = match token {
            Token::End => format!("{message}, but the text ends"),
            _ => message.to_owned(),
        };
        Err(Invalid {
            message,
            at: *at,
            grammatical: false,
        })
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Token::Symbol(s) if *s == symbol);
        if found {
            self.at += 1;
        }
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Invalid> {
        if self.accept(symbol) {
            return Ok(());
        }
        self.invalid(&format!("A '{symbol}' is missing here"))
    }

    fn grown(&self, expr: Expr, below: u32) -> Result<Parsed, Invalid> {
        if below >= DEPTH_LIMIT {
            return self.invalid(&format!("The expression is more than {DEPTH_LIMIT} steps deep here"));
        }
        Ok(Parsed { expr, depth: below + 1 })
    }

    fn infix(&self) -> Option<(Infix, u8)> {
        let found = match self.peek() {
            Token::Word(word) => match &**word {
                "implies" => (Infix::Operator(Operator::Implies), 1),
                "or" => (Infix::Operator(Operator::Or), 2),
                "xor" => (Infix::Operator(Operator::Xor), 2),
                "and" => (Infix::Operator(Operator::And), 3),
                "in" => (Infix::Operator(Operator::In), 4),
                "contains" => (Infix::Operator(Operator::Contains), 4),
                "is" => (Infix::Is, 8),
                "as" => (Infix::As, 8),
                "div" => (Infix::Operator(Operator::WholeDivide), 10),
                "mod" => (Infix::Operator(Operator::Modulo), 10),
                _ => return None,
            },
            Token::Symbol(symbol) => match *symbol {
                "=" => (Infix::Operator(Operator::Equal), 5),
                "!=" => (Infix::Operator(Operator::NotEqual), 5),
                "~" => (Infix::Operator(Operator::Equivalent), 5),
                "!~" => (Infix::Operator(Operator::NotEquivalent), 5),
                "<" => (Infix::Operator(Operator::Less), 6),
                "<=" => (Infix::Operator(Operator::LessOrEqual), 6),
                ">" => (Infix::Operator(Operator::Greater), 6),
                ">=" => (Infix::Operator(Operator::GreaterOrEqual), 6),
                "|" => (Infix::Union, 7),
                "+" => (Infix::Operator(Operator::Add), 9),
                "-" => (Infix::Operator(Operator::Subtract), 9),
                "&" => (Infix::Operator(Operator::Concatenate), 9),
                "*" => (Infix::Operator(Operator::Multiply), 10),
                "/" => (Infix::Operator(Operator::Divide), 10),
                _ => return None,
            },
            _ => return None,
        };
        Some(found)
    }

    /// An expression whose operators all bind tighter than `loosest`.
    fn expression(&mut self, loosest: u8) -> Result<Parsed, Invalid> {
        self.nesting += 1;
        if self.nesting > NESTING_LIMIT {
            return self.invalid(&format!("Brackets and signs nest more than {NESTING_LIMIT} deep here"));
        }
        let mut left = self.unary()?;
        while let Some((infix, power)) = self.infix()
            && power > loosest
        {
            self.at += 1;
            left = match infix {
                Infix::Is => {
                    let named = self.type_name()?;
                    self.grown(Expr::Is(Box::new(left.expr), named), left.depth)?
                }
                Infix::As => {
                    let named = self.type_name()?;
                    self.step(left, Step::OfType(named))?
                }
                Infix::Union => {
                    let right = self.expression(power)?;
                    self.union(left, right)?
                }
                Infix::Operator(operator) => {
                    let right = self.expression(power)?;
                    let below = left.depth.max(right.depth);
                    self.grown(Expr::Binary(operator, Box::new((left.expr, right.expr))), below)?
                }
            };
        }
        self.nesting -= 1;
        Ok(left)
    }

    fn union(&self, left: Parsed, right: Parsed) -> Result<Parsed, Invalid> {
        let depth = left.depth.max(right.depth + 1);
        match left.expr {
            Expr::Union(mut parts) => {
                parts.push(right.expr);
                self.grown(Expr::Union(parts), depth - 1)
            }
            first => self.grown(Expr::Union(vec![first, right.expr]), depth),
        }
    }

    fn unary(&mut self) -> Result<Parsed, Invalid> {
        let negative = self.accept("-");
        if !negative && !self.accept("+") {
            return self.invocations();
        }
        self.nesting += 1;
        if self.nesting > NESTING_LIMIT {
            return self.invalid(&format!("Brackets and signs nest more than {NESTING_LIMIT} deep here"));
        }
        let operand = self.unary()?;
        self.nesting -= 1;
        let below = operand.depth;
        let operand = Box::new(operand.expr);
        let signed = if negative {
            Expr::Negate(operand)
        } else {
            Expr::Plus(operand)
        };
        self.grown(signed, below)
    }

    fn invocations(&mut self) -> Result<Parsed, Invalid> {
        let mut left = self.term()?;
        loop {
            if self.accept(".") {
                left = self.invocation(left, false)?;
            } else if self.accept("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                left = self.link(left, Link::Gather(Gather::At(index.expr)), index.depth)?;
            } else {
                return Ok(left);
            }
        }
    }

    /// Adds a step to a path, or makes a path of what stands before it.
    fn step(&self, left: Parsed, step: Step) -> Result<Parsed, Invalid> {
        self.link(left, Link::Step(step), 0)
    }

    fn link(&self, left: Parsed, link: Link, arguments: u32) -> Result<Parsed, Invalid> {
        let below = left.depth.max(arguments);
        let mut path = match left.expr {
            Expr::Path(path) => path,
            start => Box::new(Path::from(start)),
        };
        path.push(link);
        self.grown(Expr::Path(path), below)
    }

    fn term(&mut self) -> Result<Parsed, Invalid> {
        match self.peek().clone() {
            Token::Word(word) if matches!(&*word, "true" | "false") => {
                self.at += 1;
                Ok(leaf(Expr::Constant(Item::Boolean(&*word == "true"))))
            }
            Token::Word(word) if matches!(&*word, "and" | "or" | "xor" | "implies" | "div" | "mod") => {
                self.invalid(&format!("'{word}' is an operator and needs something before it"))
            }
            Token::Word(_) | Token::Delimited(_) => self.invocation(leaf(Expr::This), true),
            Token::String(text) => {
                self.at += 1;
                Ok(leaf(Expr::Constant(Item::String(text.into_string().into()))))
            }
            Token::Number(digits) => {
                self.at += 1;
                self.number(&digits).map(leaf)
            }
            Token::Long(digits) => match digits.parse() {
                Ok(value) => {
                    self.at += 1;
                    Ok(leaf(Expr::Constant(Item::Long(value))))
                }
                Err(_) => self.invalid("The number has too many digits"),
            },
            Token::Moment(moment) => {
                self.at += 1;
                Ok(leaf(Expr::Constant(moment)))
            }
            Token::Percent(name) => {
                self.at += 1;
                Ok(leaf(Expr::Variable(name)))
            }
            Token::Dollar(name) => self.dollar(&name),
            Token::Symbol("(") => {
                self.at += 1;
                let inner = self.expression(0)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Symbol("{") => {
                self.at += 1;
                self.expect("}")?;
                Ok(leaf(Expr::Empty))
            }
            _ => self.invalid("A value, a name or an opening bracket is missing here"),
        }
    }

    fn dollar(&mut self, name: &str) -> Result<Parsed, Invalid> {
        let expr = match name {
            "this" => Expr::This,
            "index" => Expr::Index,
            "total" => Expr::Total,
            _ => return self.invalid("Only $this, $index and $total are known"),
        };
        self.at += 1;
        self.indexes += usize::from(name == "index");
        Ok(leaf(expr))
    }

    fn number(&mut self, digits: &str) -> Result<Expr, Invalid> {
        let unit = match self.peek() {
            Token::String(code) => Some(Unit::Code(code.to_string().into())),
            Token::Word(word) => Unit::calendar(word),
            _ => None,
        };
        let (decimal, integer) = (digits.parse().ok(), digits.parse::<i64>().ok());
        let Some(value) = decimal else {
            self.at -= 1;
            return self.invalid("The number has too many digits");
        };
        if let Some(unit) = unit {
            self.at += 1;
            return Ok(Expr::Constant(Item::Quantity(Quantity { value, unit })));
        }
        Ok(Expr::Constant(match integer {
            // The least integer is written as the opposite of one more than the greatest.
            Some(integer) if !digits.contains('.') && integer == -i64::from(i32::MIN) => Item::Integer(integer),
            Some(integer) if !digits.contains('.') => Item::whole(integer),
            _ => Item::Decimal(value),
        }))
    }

    fn name(&mut self) -> Result<Box<str>, Invalid> {
        match self.peek().clone() {
            Token::Word(name) | Token::Delimited(name) => {
                self.at += 1;
                Ok(name)
            }
            _ => self.invalid("A name is missing here"),
        }
    }

    fn invocation(&mut self, left: Parsed, first: bool) -> Result<Parsed, Invalid> {
        if let Token::Dollar(name) = self.peek().clone() {
            // `x.$this` is in the grammar and means `$this` of the surroundings.
            return self.dollar(&name);
        }
        let name = self.name()?;
        if self.accept("(") {
            return self.function(left, &name);
        }
        let capital = name.starts_with(|c: char| c.is_ascii_uppercase());
        let step = if first && capital {
            Step::Root(Name::of(name))
        } else {
            Step::Member(Name::of(name))
        };
        self.step(left, step)
    }

    fn type_name(&mut self) -> Result<TypeName, Invalid> {
        let first = self.name()?;
        let mut rest: Vec<Box<str>> = Vec::new();
        while self.accept(".") {
            rest.push(self.name()?);
        }
        let joined = |parts: &[Box<str>]| parts.join(".").into_boxed_str();
        Ok(match (&*first, rest.is_empty()) {
            // Of a type that System doesn't have there is nothing.
            ("System", false) => TypeName {
                fhir: None,
                system: System::named(&joined(&rest)),
            },
            ("FHIR", false) => TypeName {
                fhir: Some(joined(&rest)),
                system: None,
            },
            (_, true) => TypeName {
                system: System::named(&first),
                fhir: Some(first),
            },
            (_, false) => {
                rest.insert(0, first);
                TypeName {
                    fhir: Some(joined(&rest)),
                    system: None,
                }
            }
        })
    }

    fn function(&mut self, left: Parsed, name: &str) -> Result<Parsed, Invalid> {
        if matches!(name, "is" | "as" | "ofType") {
            let named = self.type_name()?;
            self.expect(")")?;
            let link = match name {
                "is" => Link::Gather(Gather::Is(named)),
                _ => Link::Step(Step::OfType(named)),
            };
            return self.link(left, link, 0);
        }
        if name == "getReferenceKey" {
            let wanted = match self.accept(")") {
                true => None,
                false => {
                    let named = self.type_name()?;
                    self.expect(")")?;
                    Some(named)
                }
            };
            return self.step(left, Step::ReferenceKey(wanted));
        }
        let opened = self.at - 2;
        let mut call = Arguments::default();
        let before = self.indexes;
        if !self.accept(")") {
            self.arguments(name, &mut call)?;
        }
        let indexed = self.indexes > before;
        let depth = call.depth;
        match compiled(name, call, indexed) {
            Ok(link) => self.link(left, link, depth),
            Err(message) => Err(Invalid {
                message,
                at: self.tokens[opened].1,
                grammatical: true,
            }),
        }
    }

    fn arguments(&mut self, name: &str, call: &mut Arguments) -> Result<(), Invalid> {
        loop {
            let argument = self.expression(0)?;
            call.depth = call.depth.max(argument.depth);
            if name == "sort" {
                let (key, descending) = self.direction(argument.expr);
                call.expressions.push(key);
                call.descending.push(descending);
            } else {
                call.expressions.push(argument.expr);
            }
            if !self.accept(",") {
                return self.expect(")");
            }
        }
    }

    /// A sort key's direction: `key desc`, or `-key`.
    fn direction(&mut self, key: Expr) -> (Expr, bool) {
        let written = match self.peek() {
            Token::Word(word) if &**word == "asc" => Some(false),
            Token::Word(word) if &**word == "desc" => Some(true),
            _ => None,
        };
        self.at += usize::from(written.is_some());
        match (key, written) {
            (Expr::Negate(inner), None) => (*inner, true),
            (key, written) => (key, written.unwrap_or(false)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::check;

    #[test]
    fn texts_that_are_no_expressions() {
        check(&[
            ("", "invalid:"),
            ("1 +", "invalid:"),
            ("(1", "invalid:"),
            ("1)", "invalid:"),
            ("a..b", "invalid:"),
            ("a.", "invalid:"),
            ("nothing()", "invalid: There is no function nothing() (at byte 0)"),
            ("a.where()", "invalid: where() takes 1 arguments, not 0 (at byte 2)"),
            ("substring(1, 2, 3)", "invalid:"),
            ("$nothing", "invalid:"),
            ("and 1", "invalid:"),
            ("@T10:00Z", "invalid:"),
            ("1 2", "invalid:"),
            ("{1}", "invalid:"),
            ("[1]", "invalid:"),
            ("a[1", "invalid:"),
            ("is(", "invalid:"),
            ("99999999999999999999999999999999", "invalid:"),
            ("contains.in.is.as", ""),
            ("`and`", ""),
            ("name.as(HumanName).count()", "2"),
            ("1 'mg'", "1 'mg'"),
            ("2 days", "2 days"),
            ("name.$this.id", "'p1'"),
        ]);
    }

    #[test]
    fn hostile_texts_are_refused_or_survived() {
        let deep = 5_000;
        let texts = [
            "(".repeat(deep),
            "-".repeat(deep),
            "a.where(".repeat(deep),
            "a".to_owned() + &".a".repeat(deep),
            "1".to_owned() + &"+1".repeat(deep),
            "a[".repeat(deep),
            "x".repeat(super::LENGTH_LIMIT + 1),
        ];
        for text in texts {
            assert!(crate::expression::Expression::parse(&text).is_err(), "{}", &text[..40]);
        }
        let wide = "1".to_owned() + &"|1".repeat(deep);
        assert!(
            crate::expression::Expression::parse(&wide).is_ok(),
            "a wide union is flat"
        );
    }
}
