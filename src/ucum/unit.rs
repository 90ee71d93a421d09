//! A unit: its code as read, and what it comes to in base units.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::amount::Amount;
use crate::dimension::Dimension;
use crate::function::Function;
use crate::parse::{self, Invalid, Term};

/// So many codes are remembered by each thread; then it begins anew.
const REMEMBERED_MAX: usize = 2_048;

/// A unit by its UCUM code. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Unit {
    read: Arc<Read>,
}

#[derive(Debug)]
struct Read {
    code: Box<str>,
    term: Term,
    scale: Option<Scale>,
    key: u64,
}

thread_local! {
    /// What was read before. Records repeat a few codes without end.
    static REMEMBERED: RefCell<HashMap<Box<str>, Result<Unit, Invalid>>> = RefCell::new(HashMap::new());
}

impl Unit {
    /// The unit of a code: `mg`, `mm[Hg]`, `10*9/L`, `g{creat}`. Remembers what it read.
    ///
    /// # Errors
    /// A sentence that says why the code is no UCUM code. Codes have at most 255 characters.
    pub fn parse(code: &str) -> Result<Unit, Invalid> {
        REMEMBERED.with_borrow_mut(|remembered| {
            if let Some(found) = remembered.get(code) {
                return found.clone();
            }
            let found = Unit::read(code);
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            if code.len() <= 255 {
                remembered.insert(code.into(), found.clone());
            }
            found
        })
    }

    fn read(code: &str) -> Result<Unit, Invalid> {
        let term = parse::parse(code)?;
        let scale = term.scale();
        let read = Read {
            code: code.into(),
            key: scale.as_ref().map_or(0, |scale| scale.dimension.key()),
            term,
            scale,
        };
        Ok(Unit { read: Arc::new(read) })
    }

    /// The code, as it was written.
    pub fn code(&self) -> &str {
        &self.read.code
    }

    pub(crate) fn term(&self) -> &Term {
        &self.read.term
    }

    pub(crate) fn scale(&self) -> Option<&Scale> {
        self.read.scale.as_ref()
    }

    /// What it measures; `None` where it cannot be converted: where a unit on a logarithmic or otherwise bent
    /// scale is multiplied, as in `B/m`, or where a number is out of reach.
    pub fn dimension(&self) -> Option<&Dimension> {
        self.scale().map(|scale| &scale.dimension)
    }

    /// [`Dimension::key`]: units with the same key can be converted into one another.
    pub fn key(&self) -> Option<u64> {
        self.scale().map(|_| self.read.key)
    }

    /// Whether amounts in both can be compared.
    pub fn comparable(&self, other: &Unit) -> bool {
        self.dimension().is_some() && self.dimension() == other.dimension()
    }

    /// Whether a larger number of it is less of what it measures: acidity, homoeopathic potency.
    pub fn is_reversed(&self) -> bool {
        let function = self.scale().and_then(|scale| scale.function);
        function.is_some_and(Function::reverses)
    }

    /// Whether its zero is not the zero of what it measures: temperature scales, logarithmic scales.
    pub fn is_special(&self) -> bool {
        self.scale().is_some_and(|scale| scale.function.is_some())
    }

    /// So many of it in base units; `None` where it cannot be converted.
    pub fn canonical(&self, amount: Amount) -> Option<Amount> {
        self.scale()?.canonical(amount)
    }

    /// So many of it in base units, as a float with 15 digits: equal amounts give equal bits, whatever the
    /// unit they were written in. `None` where the unit cannot be converted, whatever the amount.
    pub fn canonical_f64(&self, amount: Amount) -> Option<f64> {
        let scale = self.scale()?;
        Some(match scale.canonical(amount) {
            Some(canonical) => canonical.to_f64(),
            // Only beyond 10^100000; there any number does that is the same for all of them.
            None => f64::MAX,
        })
    }
}

/// Units are the same where their codes are.
impl PartialEq for Unit {
    fn eq(&self, other: &Unit) -> bool {
        self.code() == other.code()
    }
}

/// What a unit comes to: canonical = factor × function(multiple × number).
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    /// What the prefix of a special unit stands for.
    multiple: Amount,
    function: Option<Function>,
    pub(crate) factor: Amount,
    pub(crate) dimension: Dimension,
}

impl Scale {
    pub(crate) fn one() -> Scale {
        Scale {
            multiple: Amount::ONE,
            function: None,
            factor: Amount::ONE,
            dimension: Dimension::default(),
        }
    }

    pub(crate) fn base(number: usize) -> Scale {
        Scale {
            dimension: Dimension::base(number),
            ..Scale::one()
        }
    }

    pub(crate) fn multiplied(self, factor: Amount) -> Option<Scale> {
        let factor = self.straight()?.factor.times(factor)?;
        Some(Scale {
            factor,
            function: None,
            ..self
        })
    }

    /// With a prefix, which counts the unit's own numbers.
    pub(crate) fn prefixed(self, prefix: Amount) -> Option<Scale> {
        match self.function {
            None => self.multiplied(prefix),
            Some(_) => Some(Scale {
                multiple: prefix,
                ..self
            }),
        }
    }

    pub(crate) fn through(self, function: Function) -> Option<Scale> {
        Some(Scale {
            function: Some(function),
            ..self
        })
    }

    /// A difference on a temperature scale is a multiple of a kelvin; other special units have no such form.
    fn straight(&self) -> Option<Scale> {
        match self.function {
            None => Some(self.clone()),
            Some(Function::Shift(_)) => Some(Scale {
                multiple: Amount::ONE,
                function: None,
                factor: self.factor.times(self.multiple)?,
                dimension: self.dimension.clone(),
            }),
            Some(_) => None,
        }
    }

    pub(crate) fn combined(self, other: &Scale, divides: bool) -> Option<Scale> {
        let (left, right) = (self.straight()?, other.straight()?);
        let factor = if divides {
            left.factor.over(right.factor)?
        } else {
            left.factor.times(right.factor)?
        };
        Some(Scale {
            factor,
            dimension: left.dimension.times(&right.dimension, if divides { -1 } else { 1 })?,
            ..Scale::one()
        })
    }

    pub(crate) fn raised(self, exponent: i32) -> Option<Scale> {
        if exponent == 1 {
            return Some(self);
        }
        let straight = self.straight()?;
        Some(Scale {
            factor: straight.factor.raised(exponent)?,
            dimension: Dimension::default().times(&straight.dimension, exponent)?,
            ..Scale::one()
        })
    }

    pub(crate) fn canonical(&self, amount: Amount) -> Option<Amount> {
        let Some(function) = self.function else {
            return amount.times(self.factor);
        };
        function.forward(amount.times(self.multiple)?).times(self.factor)
    }

    /// So many base units, in this one.
    pub(crate) fn of_canonical(&self, canonical: Amount) -> Option<Amount> {
        let number = canonical.over(self.factor)?;
        match self.function {
            None => Some(number),
            Some(function) => function.back(number)?.over(self.multiple),
        }
    }
}
