//! Walks paths: members, filters and projections item by item, other functions over whole collections.

use std::borrow::Cow;
use std::iter;

use crate::context::Failure;
use crate::evaluate::{Evaluator, List, Scope, only};
use crate::functions::Function;
use crate::navigate::Member;
use crate::syntax::{Call, Expr, Gather, Path, Step};
use crate::value::{Element, Item};
use crate::{convert, keys, kinds, loops, moments, navigate, numbers, records, sets, strings, totals};

/// Where the items go that a path's steps lead to.
pub(crate) trait Sink<'a> {
    /// Takes an item, which is made where it stays: from registers, not by way of the stack.
    fn put(&mut self, item: impl FnOnce() -> Item<'a>);

    /// The list that it is, where it is one.
    fn list(&mut self) -> Option<&mut List<'a>> {
        None
    }

    /// Counts some more items at once, where it only counts.
    fn add(&mut self, _more: u64) -> bool {
        false
    }
}

impl<'a> Sink<'a> for List<'a> {
    #[inline]
    fn put(&mut self, item: impl FnOnce() -> Item<'a>) {
        self.extend(iter::once_with(item));
    }

    fn list(&mut self) -> Option<&mut List<'a>> {
        Some(self)
    }
}

/// How many items came that are at hand: all that `count()`, `exists()` and `empty()` ask for.
struct Count(i64);

impl<'a> Sink<'a> for Count {
    #[inline]
    fn put(&mut self, item: impl FnOnce() -> Item<'a>) {
        self.0 += i64::from(item().is_at_hand());
    }

    fn add(&mut self, more: u64) -> bool {
        self.0 += more as i64;
        true
    }
}

/// What a path leads to where more than one item is too many: no list is kept for it.
pub(crate) enum Few<'a> {
    /// Nothing.
    None,
    /// One item.
    One(Item<'a>),
    /// So many.
    Several(usize),
}

impl<'a> Sink<'a> for Few<'a> {
    #[inline]
    fn put(&mut self, item: impl FnOnce() -> Item<'a>) {
        *self = match self {
            Few::None => Few::One(item()),
            Few::One(_) => Few::Several(2),
            Few::Several(count) => Few::Several(*count + 1),
        };
    }
}

impl<'a> Evaluator<'_, 'a> {
    /// What a path leads to that only walks from item to item; `None` of other expressions.
    pub(crate) fn walked(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Option<Result<Few<'a>, Failure>> {
        let Expr::Path(path) = expr else { return None };
        path.stages.is_empty().then(|| {
            let mut few = Few::None;
            self.begin(&path.start, &path.flow, scope, &mut few)?;
            Ok(few)
        })
    }

    /// Walks a path: items flow through its steps one by one, except where a function needs them all.
    pub(crate) fn path(&mut self, path: &'a Path, scope: Scope<'_, 'a>, out: &mut List<'a>) -> Result<(), Failure> {
        if path.stages.is_empty() {
            return self.begin(&path.start, &path.flow, scope, out);
        }
        let mut found = self.take();
        let tally = path.tally();
        match tally {
            Some(tally) => {
                let mut count = Count(0);
                self.begin(&path.start, &path.flow, scope, &mut count)?;
                found.push(tally.of(count.0));
            }
            None => self.begin(&path.start, &path.flow, scope, &mut found)?,
        }
        for (at, stage) in path.stages.iter().enumerate() {
            if at > 0 || tally.is_none() {
                found = self.gathered(&stage.gather, found, scope)?;
            }
            if !stage.flow.is_empty() {
                if at + 1 == path.stages.len() {
                    return self.each(&stage.flow, found, scope, out);
                }
                let mut next = self.take();
                self.each(&stage.flow, found, scope, &mut next)?;
                found = next;
            }
        }
        out.append(&mut found);
        self.give(found);
        Ok(())
    }

    /// Sends what a path starts from through its first steps.
    fn begin(
        &mut self,
        start: &'a Expr,
        steps: &'a [Step],
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        match start {
            Expr::This => {
                self.weigh(scope.this)?;
                for item in scope.this {
                    match item {
                        Item::Element(element) => self.element(steps, element, scope, out)?,
                        computed => self.computed(steps, computed.clone(), scope, out)?,
                    }
                }
                Ok(())
            }
            _ => match out.list().filter(|_| steps.is_empty()) {
                Some(list) => self.append(start, scope, list),
                None => {
                    let mut found = self.take();
                    self.append(start, scope, &mut found)?;
                    self.each(steps, found, scope, out)
                }
            },
        }
    }

    /// Sends one item through steps that take each item on its own.
    fn flow(
        &mut self,
        steps: &'a [Step],
        item: Item<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        match item {
            Item::Element(element) => self.element(steps, &element, scope, out),
            computed => self.computed(steps, computed, scope, out),
        }
    }

    /// Sends an element through steps: what nearly all paths do nearly all the time.
    fn element(
        &mut self,
        mut steps: &'a [Step],
        element: &Element<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        let model = self.context.model;
        // Its parts, which stay in registers from step to step.
        let Element {
            mut node,
            mut sibling,
            mut kind,
        } = *element;
        while let Some((step, rest)) = steps.split_first() {
            self.spend(1)?;
            let element = Element { node, sibling, kind };
            match step {
                Step::Root(name) if kinds::is_root(model, &element, name.text()) => {}
                Step::Root(name) | Step::Member(name) => {
                    let member = navigate::member(model, &element, &name.lent());
                    match member.only(model) {
                        Some(only) => Element { node, sibling, kind } = only,
                        None => return self.members(rest, &member, scope, out),
                    }
                }
                Step::OfType(name) => {
                    if !kinds::keeps(self.context, &Item::Element(element), name) {
                        return Ok(());
                    }
                }
                Step::Where(criterion) => {
                    let this = [Item::Element(element)];
                    if self.truth(criterion, scope.on(&this))? != Some(true) {
                        return Ok(());
                    }
                }
                _ => return self.turned(step, rest, &element, scope, out),
            }
            steps = rest;
        }
        out.put(|| Item::Element(Element { node, sibling, kind }));
        Ok(())
    }

    /// Sends on what a step makes of an element.
    fn turned(
        &mut self,
        step: &'a Step,
        rest: &'a [Step],
        element: &Element<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        let model = self.context.model;
        match step {
            Step::Select(projection) => {
                let this = [Item::Element(*element)];
                let found = self.list(projection, scope.on(&this))?;
                self.each(rest, found, scope, out)
            }
            Step::Extension(Expr::Constant(Item::String(url))) => {
                navigate::extensions(model, element, url, &mut |found| self.element(rest, &found, scope, out))
            }
            Step::Extension(url) => match self.url(url, scope)? {
                Some(url) => navigate::extensions(model, element, &url, &mut |found| {
                    self.element(rest, &found, scope, out)
                }),
                None => Ok(()),
            },
            Step::ReferenceKey(wanted) => match keys::of_reference(self.context, element, wanted.as_ref()) {
                Some(key) => self.computed(rest, key, scope, out),
                None => Ok(()),
            },
            Step::Resolve => match navigate::resolve(self.context, element) {
                Some(found) => {
                    self.elsewhere |= !found.is_at_hand();
                    self.flow(rest, found, scope, out)
                }
                None => Ok(()),
            },
            Step::Children | Step::Descendants if rest.is_empty() && out.add(0) => {
                self.counted(step, element, scope, out)
            }
            Step::Children => navigate::children(model, element, &mut |child| self.element(rest, &child, scope, out)),
            Step::Descendants => self.descend(rest, element, scope, out),
            Step::Root(_) | Step::Member(_) | Step::OfType(_) | Step::Where(_) => Ok(()),
        }
    }

    /// Counts what is below an element, by types only where they must be known.
    fn counted(
        &mut self,
        step: &'a Step,
        element: &Element<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        let deep = matches!(step, Step::Descendants);
        match navigate::count(element, deep) {
            Some(count) => {
                out.add(count);
                self.spend(count)
            }
            None if deep => self.descend(&[], element, scope, out),
            None => navigate::children(self.context.model, element, &mut |child| {
                self.element(&[], &child, scope, out)
            }),
        }
    }

    fn members(
        &mut self,
        steps: &'a [Step],
        member: &Member<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        member.each(self.context.model, &mut |element| {
            self.spend(1)?;
            self.element(steps, &element, scope, out)
        })
    }

    /// Sends on every element below one, each parent before its children. A record nests only so deep.
    fn descend(
        &mut self,
        steps: &'a [Step],
        element: &Element<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        navigate::children(self.context.model, element, &mut |child| {
            self.spend(1)?;
            // Its parts, so that the item is made where it stays, as in `element`.
            let Element { node, sibling, kind } = child;
            match steps {
                [] => out.put(|| Item::Element(Element { node, sibling, kind })),
                _ => self.element(steps, &Element { node, sibling, kind }, scope, out)?,
            }
            match node.is_object() || sibling.is_some() {
                true => self.descend(steps, &Element { node, sibling, kind }, scope, out),
                false => Ok(()),
            }
        })
    }

    /// Sends a computed item through steps; it has few members, and neither extensions nor children.
    fn computed(
        &mut self,
        steps: &'a [Step],
        item: Item<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        let Some((step, rest)) = steps.split_first() else {
            out.put(|| item);
            return Ok(());
        };
        self.spend(1)?;
        let this = std::slice::from_ref(&item);
        let passes = match step {
            Step::Root(name) | Step::Member(name) => {
                return match records::computed_member(&item, name.text()) {
                    Some(found) => self.flow(rest, found, scope, out),
                    None => Ok(()),
                };
            }
            Step::OfType(name) => kinds::keeps(self.context, &item, name),
            Step::Where(criterion) => self.truth(criterion, scope.on(this))? == Some(true),
            Step::Select(projection) => {
                let found = self.list(projection, scope.on(this))?;
                return self.each(rest, found, scope, out);
            }
            Step::Extension(_) | Step::ReferenceKey(_) | Step::Resolve | Step::Children | Step::Descendants => false,
        };
        match passes {
            true => self.flow(rest, item, scope, out),
            false => Ok(()),
        }
    }

    fn each(
        &mut self,
        steps: &'a [Step],
        mut items: List<'a>,
        scope: Scope<'_, 'a>,
        out: &mut impl Sink<'a>,
    ) -> Result<(), Failure> {
        self.spend(items.len() as u64 * 4)?;
        for item in items.drain(..) {
            self.flow(steps, item, scope, out)?;
        }
        self.give(items);
        Ok(())
    }

    fn url(&mut self, url: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<Cow<'a, str>>, Failure> {
        let Some(url) = self.single(url, scope)? else {
            return Ok(None);
        };
        let text = url.text();
        text.map(Some)
            .ok_or_else(|| Failure::values("extension() takes a url as a string"))
    }

    /// Takes a step that needs the whole collection.
    fn gathered(&mut self, gather: &'a Gather, mut input: List<'a>, scope: Scope<'_, 'a>) -> Result<List<'a>, Failure> {
        self.spend(1 + input.len() as u64 / 8)?;
        match gather {
            Gather::At(index) => sets::at(self, input, index, scope),
            Gather::Is(name) => {
                let Some(item) = only(&input)? else {
                    return Ok(input);
                };
                let answer = kinds::is(self.context, item, name);
                Ok(self.one(input, Item::Boolean(answer)))
            }
            Gather::Call(call) => {
                if self.elsewhere {
                    input.retain(Item::is_at_hand);
                }
                self.call(call, input, scope)
            }
        }
    }

    fn call(&mut self, call: &'a Call, input: List<'a>, scope: Scope<'_, 'a>) -> Result<List<'a>, Failure> {
        match call.function {
            Function::Sets(function) => sets::apply(self, function, call, input, scope),
            Function::Loops(function) => loops::apply(self, function, call, input, scope),
            Function::Strings(function) => strings::apply(self, function, call, input, scope),
            Function::Numbers(function) => numbers::apply(self, function, call, input, scope),
            Function::Moments(function) => moments::apply(self, function, input),
            Function::Records(function) => records::apply(self, function, call, input, scope),
            Function::Totals(function) => totals::apply(self, function, input),
            Function::Convert(target) => convert::convert(self, target, call, input, scope),
            Function::Converts(target) => convert::converts(self, target, call, input, scope),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::trial::{answer, check, check_observation};

    #[test]
    fn paths_reach_elements() {
        check(&[
            ("name.given", "'Karma', 'Pema', #g0, 'K\"D'"),
            ("Patient.name.family", "'Dorji'"),
            ("Resource.id", "'p1'"),
            ("DomainResource.text.status", "'generated'"),
            ("Observation.value", ""),
            ("nothing", ""),
            ("`name`.first().`use`", "'official'"),
            ("contact.name.family", "'Wangmo'"),
            ("deceased", "@2015-02"),
            ("deceasedDateTime", ""),
            ("contained.name", "'Acme'"),
            ("name.where(use = 'usual').given.last()", "'K\"D'"),
            ("telecom.where(rank > 1).value", "'17'"),
            (
                "telecom.select(system | value)",
                "'phone', '17', 'email', 'k@d.bt', 'phone', '18'",
            ),
            ("name[0].given[1]", "'Pema'"),
            ("name[5]", ""),
            ("name[-1]", ""),
            ("contained.children()", "'o1', 'Acme'"),
            ("contact.descendants()", "HumanName, 'Wangmo'"),
            ("name.given[1].children().url", "'http://g'"),
            ("(name | contact.name).family", "'Dorji', 'Wangmo'"),
        ]);
    }

    #[test]
    fn counting_finds_what_listing_finds() {
        let rows = [
            (
                "descendants().count() = descendants().select($this).count() and children().exists()",
                "true",
            ),
            (
                "descendants().all(children().count() = children().select($this).count())",
                "true",
            ),
            ("children().empty()", "false"),
            ("children().children().count().toString().length()", "2"),
            ("nothing.exists() or nothing.count() > 0", "false"),
        ];
        // One has primitives with two halves, the other has none.
        check(&rows);
        check_observation(&rows);
    }

    #[test]
    fn choices_are_told_apart() {
        check_observation(&[
            ("value.unit", "'lbs'"),
            ("Observation.value is Quantity", "true"),
            ("value.is(string)", "false"),
            ("value.ofType(Quantity).value", "185.0"),
            ("(value as string)", ""),
            ("component.value.ofType(string)", "'a'"),
            ("component.value.as(Quantity).value", "1"),
            (
                "(Observation.component.value as Quantity) | (Observation.value as Quantity)",
                "Quantity, Quantity",
            ),
            ("code.coding.where(system = %loinc).code", "'29463-7'"),
        ]);
    }

    #[test]
    fn primitives_have_halves() {
        check(&[
            ("birthDate.extension('http://time').value", "'14:35'"),
            ("birthDate.extension.url", "'http://time'"),
            ("name.given.extension('http://g').value", "'second'"),
            ("name.given.id", "'g0'"),
            ("extension('http://b').value", "true"),
            ("extension('http://c')", ""),
            ("name.given.select(hasValue())", "true, true, false, true"),
            ("birthDate.hasExtension('http://time')", "true"),
            ("name[1].given[0].getValue()", ""),
        ]);
    }

    #[test]
    fn references_resolve_as_far_as_they_can() {
        check(&[
            ("managingOrganization.resolve().name", "'Acme'"),
            (
                "generalPractitioner.where(resolve() is Practitioner).reference",
                "'Practitioner/1', 'urn:uuid:1'",
            ),
            (
                "generalPractitioner.where(resolve() is Organization).reference",
                "'Organization/2', '#o1'",
            ),
            ("generalPractitioner.resolve()", "#o1"),
            ("generalPractitioner.resolve().count()", "1"),
            (
                "generalPractitioner.select(resolve() is DomainResource)",
                "true, true, true, true",
            ),
            (
                "generalPractitioner.select(resolve().is(Practitioner))",
                "true, false, false, true",
            ),
            (
                "generalPractitioner.resolve().where($this is Practitioner).exists()",
                "false",
            ),
            ("generalPractitioner[0].resolve().name", ""),
        ]);
    }

    #[test]
    fn steps_are_bounded() {
        let limited = answer("repeat($this | children())", false, |context| context.steps = 500);
        assert_eq!(limited, "Limit: The expression took more than 500 steps");
        let doubling = [
            "descendants().aggregate($total.combine($total), 1).count()",
            "descendants().aggregate($total & $total, 'abcdefgh').length()",
            "descendants().aggregate($total + $total, 'abcdefgh').length()",
            "descendants().aggregate($total.select($this | 'x').combine($total), 1).count()",
            "defineVariable('a', descendants()).select(%a).select(%a.select(%a.select(%a))).count()",
            "'a'.repeatAll($this & $this)",
        ];
        for expression in doubling {
            let found = answer(expression, false, |_| {});
            assert!(
                found.starts_with("Limit:") || found.starts_with("Values:"),
                "{expression} {found}"
            );
        }
    }
}
