//! The compiled form of an expression: names resolved, constants and patterns prepared.

use fhir::name::Name;
use regex::Regex;

use crate::functions::{Function, Loops, Sets};
use crate::value::Item;

/// A compiled expression.
#[derive(Debug)]
pub(crate) enum Expr {
    /// `{}`
    Empty,
    /// A literal.
    Constant(Item<'static>),
    /// `$this`, and the unwritten start of a path.
    This,
    /// `$index`
    Index,
    /// `$total`
    Total,
    /// `%name`
    Variable(Box<str>),
    /// A start and the steps from there.
    Path(Box<Path>),
    /// `-x`
    Negate(Box<Expr>),
    /// `+x`
    Plus(Box<Expr>),
    /// `x is T`
    Is(Box<Expr>, TypeName),
    /// `a | b | c`
    Union(Vec<Expr>),
    /// Any other operator with two operands.
    Binary(Operator, Box<(Expr, Expr)>),
}

/// A start and the steps from there.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) start: Expr,
    /// What each item flows through on its own.
    pub(crate) flow: Vec<Step>,
    /// What then waits for them all, again and again.
    pub(crate) stages: Vec<Stage>,
}

/// A function of a whole collection, and what each of its items flows through from there.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) gather: Gather,
    pub(crate) flow: Vec<Step>,
}

/// A question about how many items there are.
#[derive(Clone, Copy)]
pub(crate) enum Tally {
    Count,
    Empty,
    Exists,
}

impl Tally {
    /// The answer, where there are so many.
    pub(crate) fn of<'a>(self, count: i64) -> Item<'a> {
        match self {
            Tally::Count => Item::Integer(count),
            Tally::Empty => Item::Boolean(count == 0),
            Tally::Exists => Item::Boolean(count > 0),
        }
    }
}

/// What follows in a path.
#[derive(Debug)]
pub(crate) enum Link {
    Step(Step),
    Gather(Gather),
}

impl Path {
    /// A path that only begins.
    pub(crate) fn from(start: Expr) -> Path {
        Path {
            start,
            flow: Vec::new(),
            stages: Vec::new(),
        }
    }

    /// What its first function of a whole collection asks of how many there are, where that is all it asks.
    pub(crate) fn tally(&self) -> Option<Tally> {
        match &self.stages.first()?.gather {
            Gather::Call(call) if call.arguments.is_empty() => match call.function {
                Function::Sets(Sets::Count) => Some(Tally::Count),
                Function::Sets(Sets::Empty) => Some(Tally::Empty),
                Function::Loops(Loops::Exists) => Some(Tally::Exists),
                _ => None,
            },
            _ => None,
        }
    }

    /// Goes one step further.
    pub(crate) fn push(&mut self, link: Link) {
        match (link, self.stages.last_mut()) {
            (Link::Step(step), None) => self.flow.push(step),
            (Link::Step(step), Some(stage)) => stage.flow.push(step),
            (Link::Gather(gather), _) => self.stages.push(Stage {
                gather,
                flow: Vec::new(),
            }),
        }
    }
}

/// A step that takes each item on its own.
#[derive(Debug)]
pub(crate) enum Step {
    /// The first name of a path, with a capital: the type of the focus, or else a member.
    Root(Name),
    /// A member by name.
    Member(Name),
    /// Only what is of the type: `as`, `as()`, `ofType()`.
    OfType(TypeName),
    /// `where(criterion)`, without `$index`.
    Where(Expr),
    /// `select(projection)`, without `$index`.
    Select(Expr),
    /// `extension(url)`
    Extension(Expr),
    /// `getReferenceKey(T)`: the key of the record a reference names, where that is of the type.
    ReferenceKey(Option<TypeName>),
    /// `resolve()`
    Resolve,
    /// `children()`
    Children,
    /// `descendants()`
    Descendants,
}

/// A step that takes a whole collection.
#[derive(Debug)]
pub(crate) enum Gather {
    /// `[index]`
    At(Expr),
    /// `is(T)`
    Is(TypeName),
    /// Any other function.
    Call(Call),
}

/// A function with its arguments.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Expr>,
    /// The first argument's pattern, where it is a literal.
    pub(crate) pattern: Option<Regex>,
    /// Of `sort()`: for each argument whether it sorts downwards.
    pub(crate) descending: Vec<bool>,
}

/// A type's name in an expression.
#[derive(Debug)]
pub(crate) struct TypeName {
    /// The FHIR type by that name; `None` where the name says `System`.
    pub(crate) fhir: Option<Box<str>>,
    /// The System type by that name; `None` where the name says `FHIR` or there is none such.
    pub(crate) system: Option<System>,
}

/// The System types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Boolean,
    String,
    Integer,
    Long,
    Decimal,
    Date,
    DateTime,
    Time,
    Quantity,
    Any,
}

impl System {
    /// The type by name.
    pub(crate) fn named(name: &str) -> Option<System> {
        Some(match name {
            "Boolean" => System::Boolean,
            "String" => System::String,
            "Integer" => System::Integer,
            "Long" => System::Long,
            "Decimal" => System::Decimal,
            "Date" => System::Date,
            "DateTime" => System::DateTime,
            "Time" => System::Time,
            "Quantity" => System::Quantity,
            "Any" => System::Any,
            _ => return None,
        })
    }
}

/// The operators with two operands, but for `|`, `is` and `as`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Concatenate,
    Multiply,
    Divide,
    WholeDivide,
    Modulo,
}
