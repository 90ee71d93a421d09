//! `$expand`: the codes of a value set (<https://hl7.org/fhir/R4/valueset-operation-expand.html>).
//!
//! An expansion is complete or it is refused: what would be too long says so, what needs a system that is not here
//! names it.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::entry::{Member, Shown};
use crate::filter::Test;
use crate::finding::{Finding, Unable};
use crate::library::Session;
use crate::membership::{Trail, versions_match};
use crate::pins::Pinned;
use crate::system::{Content, Place, System};
use crate::unlisted::Unlisted;
use crate::value_set::{Rule, ValueSet, warning_of};
use crate::version;
use crate::words;

/// Codes that are gathered for one expansion, before it is paged.
pub const GATHERED_MAX: usize = 1_000_000;

/// What an expansion is asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What is shown of each code.
    pub shown: Shown,
    /// Words that have to begin words of a code's names.
    pub filter: Option<String>,
    /// Codes to leave away before the page.
    pub offset: usize,
    /// Codes on the page.
    pub count: Option<usize>,
    /// Codes on a page at most, and in the whole where no page is asked for.
    pub most: usize,
    /// Systems whose codes are left out, each with the version that is meant, where only one is.
    pub without: Vec<(String, Option<String>)>,
    /// Whether inactive codes are left out.
    pub active_only: bool,
    /// Whether codes that are not to be chosen are left out.
    pub selectable_only: bool,
    /// Whether the definition of the value set is told beside its codes.
    pub definition: bool,
    /// Whether codes stand in a flat list.
    pub flat: bool,
}

/// The codes of a value set, and what they were worked out from.
pub(crate) struct Gathered {
    pub(crate) members: Vec<Member>,
    pub(crate) used: Used,
}

/// What an expansion used, each as `name` and value of its parameter.
#[derive(Default)]
pub(crate) struct Used {
    pub(crate) told: BTreeSet<(&'static str, String)>,
    /// Parameters that pinned a version, by name and value.
    pub(crate) pins: BTreeSet<(&'static str, String)>,
    /// Whether versions were taken for the same where that made a difference.
    pub(crate) merged: bool,
    /// Addresses of the systems of which only a part is known.
    pub(crate) fragments: BTreeSet<String>,
}

/// Gathers the codes of one value set.
pub(crate) struct Gathering<'a> {
    session: &'a Session<'a>,
    wanted: &'a Wanted,
    words: Vec<String>,
    used: Used,
}

impl<'a> Gathering<'a> {
    /// All codes of a value set, in order.
    ///
    /// # Errors
    /// 422 where the value set cannot be worked out, or has too many codes.
    pub(crate) fn of(session: &'a Session<'a>, set: &Arc<ValueSet>, wanted: &'a Wanted) -> Result<Gathered, Unable> {
        let text = wanted.filter.as_deref().unwrap_or_default();
        let mut gathering = Gathering {
            session,
            wanted,
            words: words::of(text),
            used: Used::default(),
        };
        let members = gathering.set(set, &Trail::default())?;
        Ok(Gathered {
            members,
            used: gathering.used,
        })
    }

    fn set(&mut self, set: &Arc<ValueSet>, trail: &Trail) -> Result<Vec<Member>, Unable> {
        let trail = trail.with(set)?;
        if let Some(warning) = set.warning {
            self.warn(warning, set.canonical());
        }
        let mut found: Vec<Member> = Vec::new();
        let mut seen: FxHashSet<(String, String)> = FxHashSet::default();
        for number in order(&set.includes) {
            let members = self.rule(set, number, &trail)?;
            let rule = &set.includes[number];
            let merges = rule.system.as_deref().map(|system| versions_match(set, system));
            // A rule that picks from one system finds each code once.
            let alone = set.includes.len() == 1 && merges.is_some() && rule.concepts.is_empty();
            let mut kept: Vec<Option<usize>> = Vec::with_capacity(members.len());
            for mut member in members {
                let merges = merges.unwrap_or_else(|| versions_match(set, &member.system.facts().url));
                if self.is_left_out(set, &member) || !(alone || seen.insert(member.key(!merges))) {
                    kept.push(None);
                    continue;
                }
                // Below the nearest that is shown.
                member.below = member.below.and_then(|below| kept.get(below).copied().flatten());
                kept.push(Some(found.len()));
                found.push(member);
            }
            self.bounded(set, found.len())?;
        }
        self.exclude(set, &trail, &mut found)?;
        let several = |system: &str| versions_match(set, system) && set.versions_of(system, true) > 1;
        self.used.merged |= set
            .includes
            .iter()
            .filter_map(|rule| rule.system.as_deref())
            .any(several);
        Ok(found)
    }

    fn is_left_out(&self, set: &ValueSet, member: &Member) -> bool {
        if self.is_of_excluded_system(member) {
            return true;
        }
        let active_only = self.wanted.active_only || set.inactive == Some(false);
        if !active_only && !self.wanted.selectable_only {
            return false;
        }
        let state = member.system.state(&member.place);
        (active_only && state.inactive) || (self.wanted.selectable_only && state.is_abstract)
    }

    fn is_of_excluded_system(&self, member: &Member) -> bool {
        let facts = member.system.facts();
        self.wanted.without.iter().any(|(url, wanted)| {
            let fits = |wanted: &String| {
                facts
                    .version
                    .as_deref()
                    .is_some_and(|has| version::matches(wanted, has))
            };
            *url == facts.url && wanted.as_ref().is_none_or(fits)
        })
    }

    fn bounded(&self, set: &ValueSet, count: usize) -> Result<(), Unable> {
        match count > GATHERED_MAX {
            true => Err(too_many(set, GATHERED_MAX)),
            false => Ok(()),
        }
    }

    fn exclude(&mut self, set: &Arc<ValueSet>, trail: &Trail, found: &mut Vec<Member>) -> Result<(), Unable> {
        if set.excludes.is_empty() || found.is_empty() {
            return Ok(());
        }
        for rule in &set.excludes {
            if let Some(url) = rule.system.as_deref() {
                let pinned = self.session.pins.of(url, rule.version.as_deref());
                if let Some(system) = self.system(url, &pinned, rule)? {
                    self.uses(&*system);
                }
            }
        }
        let mut kept: Vec<Option<usize>> = Vec::with_capacity(found.len());
        let mut left: Vec<Member> = Vec::with_capacity(found.len());
        for mut member in found.drain(..) {
            let by_version = !versions_match(set, &member.system.facts().url);
            let mut out = false;
            for rule in &set.excludes {
                let Member { system, place, .. } = &member;
                out |= self.session.picks(set, rule, &**system, place, trail, by_version)?;
            }
            if out {
                kept.push(None);
                continue;
            }
            member.below = member.below.and_then(|below| kept.get(below).copied().flatten());
            kept.push(Some(left.len()));
            left.push(member);
        }
        *found = left;
        Ok(())
    }

    fn rule(&mut self, set: &Arc<ValueSet>, number: usize, trail: &Trail) -> Result<Vec<Member>, Unable> {
        let rule = &set.includes[number];
        let whole = |url: &str| (url.to_owned(), None);
        let mut listed = None;
        let mut members = match rule.system.as_deref() {
            // So that one that cannot be listed may be left out.
            Some(url) if self.wanted.without.contains(&whole(url)) => return Ok(Vec::new()),
            Some(url) => self.of_system(set, number, url)?,
            None if rule.sets.is_empty() => return Ok(Vec::new()),
            None => {
                let (members, used) = self.listable(set, rule, trail)?;
                listed = Some(used);
                members
            }
        };
        for (_, used) in rule
            .sets
            .iter()
            .enumerate()
            .filter(|(number, _)| listed != Some(*number))
        {
            let other = self.session.used_set(set, used)?;
            self.tell_set(set, used, &other);
            let mut both = Vec::new();
            for mut member in members {
                if self.session.has(&other, &*member.system, &member.place, trail)? {
                    member.below = None;
                    both.push(member);
                }
            }
            members = both;
        }
        Ok(members)
    }

    /// The codes of the first of a rule's value sets that can be listed, and which it is. A code has to be in all of them,
    /// so that one that cannot be listed can still be asked for each.
    fn listable(&mut self, set: &Arc<ValueSet>, rule: &Rule, trail: &Trail) -> Result<(Vec<Member>, usize), Unable> {
        let mut why = None;
        for (number, used) in rule.sets.iter().enumerate() {
            match self.used_set(set, used, trail) {
                Ok(mut members) => {
                    members.iter_mut().for_each(|member| member.below = None);
                    return Ok((members, number));
                }
                Err(Unable::Unread) => return Err(Unable::Unread),
                Err(unable) => why = why.or(Some(unable)),
            }
        }
        Err(why.unwrap_or(Unable::Unread))
    }

    fn used_set(&mut self, by: &Arc<ValueSet>, canonical: &str, trail: &Trail) -> Result<Vec<Member>, Unable> {
        let (address, pinned) = self.session.pins.set(canonical);
        let set = self
            .session
            .used_set(by, canonical)
            .map_err(|unable| match version::split(&address) {
                (url, Some(version)) if pinned => {
                    let text = format!("Unable to find included value set '{url}' version '{version}'");
                    let finding = Finding::error("not-found", "not-found", text);
                    Unable::unusable(finding.known_as("VS_EXP_IMPORT_UNK_PINNED"))
                }
                _ => unable,
            })?;
        self.tell_set(by, canonical, &set);
        self.set(&set, trail)
    }

    fn tell_set(&mut self, by: &ValueSet, canonical: &str, set: &ValueSet) {
        if by.contained(canonical).is_some() || set.url.is_empty() {
            return;
        }
        self.used.told.insert(("used-valueset", set.canonical()));
        if self.session.pins.set(canonical).1 {
            let version = set.version.as_deref();
            self.used
                .pins
                .insert(("default-valueset-version", version::join(&set.url, version)));
        }
    }

    fn warn(&mut self, warning: &str, canonical: String) {
        let name = match warning {
            "withdrawn" => "warning-withdrawn",
            "deprecated" => "warning-deprecated",
            "draft" => "warning-draft",
            "retired" => "warning-retired",
            _ => "warning-experimental",
        };
        self.used.told.insert((name, canonical));
    }

    fn uses(&mut self, system: &dyn System) {
        let facts = system.facts();
        self.used.told.insert(("used-codesystem", facts.canonical()));
        if facts.content == Content::Fragment {
            self.used.told.insert(("used-fragment", facts.canonical()));
            self.used.fragments.insert(facts.url.clone());
        }
        for supplement in self.session.supplements_of(&facts.url) {
            self.used
                .told
                .insert(("used-supplement", supplement.facts().canonical()));
        }
        let said = warning_of(&facts.status, facts.experimental, facts.standards_status.as_deref());
        if let Some(warning) = said {
            self.warn(warning, facts.canonical());
        }
    }

    /// The version of a system that a rule means; `None` where it is not known, but the rule lists its codes itself.
    fn system(&mut self, url: &str, pinned: &Pinned, rule: &Rule) -> Result<Option<Arc<dyn System>>, Unable> {
        let known = self.session.systems(url)?;
        if known.is_empty() && !rule.concepts.is_empty() {
            return Ok(None);
        }
        let fits = |system: &&Arc<dyn System>| {
            let has = system.facts().version.as_deref();
            pinned
                .version
                .as_deref()
                .is_none_or(|wanted| has.is_some_and(|has| version::matches(wanted, has)))
        };
        let Some(system) = known.iter().find(fits) else {
            return Err(unknown_system(url, pinned.version.as_deref(), &known));
        };
        if let Some(by) = pinned.by {
            let wanted = pinned.version.as_deref();
            self.used.pins.insert((by, version::join(url, wanted)));
        }
        let has = system.facts().version.as_deref().unwrap_or_default();
        if let Some(allowed) = self
            .session
            .pins
            .allowed(url)
            .filter(|allowed| !version::matches(allowed, has))
        {
            return Err(Unable::unusable(not_allowed(url, has, allowed)));
        }
        Ok(Some(Arc::clone(system)))
    }

    fn of_system(&mut self, set: &Arc<ValueSet>, number: usize, url: &str) -> Result<Vec<Member>, Unable> {
        let rule = &set.includes[number];
        let pinned = self.session.pins.of(url, rule.version.as_deref());
        let system = match self.system(url, &pinned, rule)? {
            Some(system) => system,
            None => Arc::new(Unlisted::new(url, rule.version.as_deref())) as Arc<dyn System>,
        };
        self.uses(&*system);
        let versioned = set.versions_of(url, true) > 1;
        let tests: Vec<Test<'_>> = rule
            .filters
            .iter()
            .map(|f| Test::of(f, &*system))
            .collect::<Result<_, _>>()?;
        if !rule.concepts.is_empty() {
            return self.enumerated(set, number, &system, versioned, &tests);
        }
        let Some(count) = system.count() else {
            let text = format!("The codes of {url} are made by a grammar without end, so that they cannot be listed");
            return Err(Unable::too_costly(text));
        };
        let listing = tests.iter().find_map(|test| test.listing(&*system));
        let mut places = listing.unwrap_or_else(|| (0..count).collect());
        // Numbers follow the order of the definition, those above before those below.
        places.sort_unstable();
        let mut picked = Vec::new();
        for number in places {
            let place = Place::At(number);
            let mut all = true;
            for test in &tests {
                all = all && test.picks(&*system, &place)?;
            }
            if all && self.has_words(&*system, &place) {
                picked.push(number);
                if picked.len() > GATHERED_MAX {
                    return Err(too_many(set, GATHERED_MAX));
                }
            }
        }
        let nest = !self.wanted.flat && self.wanted.count.is_none() && set.excludes.is_empty();
        Ok(nested(&system, &picked, versioned, nest))
    }

    fn enumerated(
        &mut self,
        set: &Arc<ValueSet>,
        number: usize,
        system: &Arc<dyn System>,
        versioned: bool,
        tests: &[Test<'_>],
    ) -> Result<Vec<Member>, Unable> {
        let mut members = Vec::new();
        for (entry, concept) in set.includes[number].concepts.iter().enumerate() {
            let Some(place) = system.find(&concept.code) else {
                continue;
            };
            let mut all = true;
            for test in tests {
                all = all && test.picks(&**system, &place)?;
            }
            let shown = concept.display.as_deref().is_some_and(|display| self.words_in(display));
            if all && (shown || self.has_words(&**system, &place)) {
                members.push(Member {
                    system: Arc::clone(system),
                    place,
                    listed: Some((Arc::clone(set), number, entry)),
                    versioned,
                    below: None,
                });
            }
        }
        Ok(members)
    }

    fn words_in(&self, text: &str) -> bool {
        words::begin(&self.words, text)
    }

    /// Whether the words that are asked for begin words of the code or of one of its names.
    fn has_words(&self, system: &dyn System, place: &Place) -> bool {
        self.words.is_empty() || self.words_in(&system.code(place)) || words::name(&self.words, system, place)
    }
}

/// The order in which rules are worked out: of one system, the newer version that is named before the older.
fn order(rules: &[Rule]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rules.len()).collect();
    let version = |at: usize| rules[at].version.as_deref().unwrap_or_default();
    for at in 1..order.len() {
        let mut now = at;
        while now > 0
            && rules[order[now]].system.is_some()
            && rules[order[now - 1]].system == rules[order[now]].system
            && version::compare(version(order[now - 1]), version(order[now])).is_lt()
        {
            order.swap(now - 1, now);
            now -= 1;
        }
    }
    order
}

/// Codes of a system; where they are to be nested, each below the nearest above it that is among them and stands before it.
fn nested(system: &Arc<dyn System>, picked: &[u32], versioned: bool, nest: bool) -> Vec<Member> {
    let numbers = if nest { picked } else { &[] };
    let at: FxHashMap<u32, usize> = numbers.iter().enumerate().map(|(at, number)| (*number, at)).collect();
    let below = |own: usize, number: u32| {
        let parents = system.parents(number);
        let mut shown = parents.iter().filter_map(|parent| at.get(parent).copied());
        shown.find(|below| *below < own)
    };
    let member = |(own, number): (usize, &u32)| Member {
        system: Arc::clone(system),
        place: Place::At(*number),
        listed: None,
        versioned,
        below: if nest { below(own, *number) } else { None },
    };
    picked.iter().enumerate().map(member).collect()
}

pub(crate) fn too_many(set: &ValueSet, most: usize) -> Unable {
    let text = format!(
        "The value set '{}' expansion has too many codes to produce (>{most}); ask for pages with count and offset, or for \
         fewer codes with filter",
        set.canonical()
    );
    Unable::too_costly(text)
}

pub(crate) fn not_allowed(url: &str, has: &str, allowed: &str) -> Finding {
    let text = format!(
        "The version '{has}' is not allowed for system '{url}': required to be '{allowed}' by a version-check parameter"
    );
    Finding::error("exception", "version-error", text).known_as("VALUESET_VERSION_CHECK")
}

/// The versions of a system that are known, in a sentence.
pub(crate) fn valid_versions(known: &[Arc<dyn System>]) -> String {
    let mut versions: Vec<&str> = known
        .iter()
        .filter_map(|system| system.facts().version.as_deref())
        .collect();
    versions.sort_by(|a, b| version::compare(a, b));
    match versions.split_last() {
        None => "No versions of this code system are known".to_owned(),
        Some((last, [])) => format!("Valid versions: {last}"),
        Some((last, others)) => format!("Valid versions: {} or {last}", others.join(", ")),
    }
}

fn unknown_system(url: &str, wanted: Option<&str>, known: &[Arc<dyn System>]) -> Unable {
    let text = match wanted {
        None => format!("A definition for CodeSystem '{url}' could not be found, so the value set cannot be expanded"),
        Some(wanted) => format!(
            "A definition for CodeSystem '{url}' version '{wanted}' could not be found, so the value set cannot be \
             expanded. {}",
            valid_versions(known)
        ),
    };
    let message = match wanted {
        None => "UNKNOWN_CODESYSTEM_EXP",
        Some(_) => "UNKNOWN_CODESYSTEM_VERSION_EXP",
    };
    Unable::unusable(Finding::error("not-found", "not-found", text).known_as(message))
}
