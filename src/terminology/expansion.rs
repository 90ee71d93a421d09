//! An expanded value set, written as `$expand` answers it.

use std::sync::Arc;

use fhir::tree::Tree;

use crate::entry::{Member, Writer};
use crate::expand::{Gathered, Gathering, Used, Wanted, too_many};
use crate::finding::Unable;
use crate::library::Session;
use crate::value_set::ValueSet;

/// What is the definition of the value set and not its expansion, and left out where the definition is not asked for.
const LEFT_OUT: [&str; 13] = [
    "compose",
    "contact",
    "contained",
    "copyright",
    "description",
    "extension",
    "identifier",
    "immutable",
    "jurisdiction",
    "publisher",
    "purpose",
    "text",
    "useContext",
];
/// A page may have so many times the codes that an expansion without pages has.
const PAGE_FACTOR: usize = 10;

/// What makes one expansion this one and no other.
pub struct Stamp {
    /// `expansion.identifier`
    pub identifier: String,
    /// `expansion.timestamp`
    pub timestamp: String,
}

/// Expands a value set. `echoed` are the parameters to be repeated: name, member, value.
///
/// # Errors
/// 422 where it cannot be expanded, or its codes are too many.
pub fn expand(
    session: &Session<'_>,
    set: &Arc<ValueSet>,
    wanted: &Wanted,
    echoed: Vec<(String, &'static str, Tree)>,
    stamp: &Stamp,
) -> Result<Tree, Unable> {
    let Gathered { members, used } = Gathering::of(session, set, wanted)?;
    let paged = wanted.count.is_some() || wanted.offset > 0;
    let count = wanted.count.unwrap_or(members.len().saturating_sub(wanted.offset));
    let most = if wanted.count.is_some() {
        wanted.most.saturating_mul(PAGE_FACTOR)
    } else {
        wanted.most
    };
    if count.min(members.len()) > most {
        return Err(too_many(set, most));
    }
    let mut writer = Writer::default();
    let from = wanted.offset.min(members.len());
    let page = &members[from..members.len().min(from.saturating_add(count))];
    // A hierarchy with holes in it would say that a code lies directly below one that it does not.
    let contains = match wanted.flat || paged || !set.excludes.is_empty() {
        true => page.iter().map(|member| writer.write(member, &wanted.shown)).collect(),
        false => tree(page, &mut writer, wanted),
    };

    let mut extensions = writer.declared();
    for url in &used.fragments {
        extensions.push(extension("valueset-unclosed", "valueBoolean", Tree::Bool(true)));
        let why = format!("This extension is based on a fragment of the code system {url}");
        extensions.push(extension("valueset-unclosed-reason", "valueString", Tree::string(why)));
    }
    let mut expansion = Tree::object([]);
    if !extensions.is_empty() {
        expansion.set("extension", Tree::Array(extensions));
    }
    expansion.set("identifier", Tree::string(&stamp.identifier));
    expansion.set("timestamp", Tree::string(&stamp.timestamp));
    expansion.set("total", Tree::number(members.len()));
    if wanted.offset > 0 {
        expansion.set("offset", Tree::number(wanted.offset));
    }
    let parameters = parameters(echoed, &used);
    if !parameters.is_empty() {
        expansion.set("parameter", Tree::Array(parameters));
    }
    if !contains.is_empty() {
        expansion.set("contains", Tree::Array(contains));
    }
    let mut answer = Tree::from_node(set.document.root());
    let left_out: &[&str] = if wanted.definition { &["text"] } else { &LEFT_OUT };
    left_out.iter().for_each(|name| drop(answer.remove(name)));
    answer.set("expansion", expansion);
    Ok(answer)
}

fn extension(name: &str, member: &str, value: Tree) -> Tree {
    let url = format!("http://hl7.org/fhir/StructureDefinition/{name}");
    Tree::object([("url", Tree::string(url)), (member, value)])
}

/// Members stand after those they are shown below.
fn tree(members: &[Member], writer: &mut Writer, wanted: &Wanted) -> Vec<Tree> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); members.len()];
    for (at, member) in members.iter().enumerate() {
        if let Some(above) = member.below {
            below[above].push(at);
        }
    }
    let mut written: Vec<Option<Tree>> = members.iter().map(|m| Some(writer.write(m, &wanted.shown))).collect();
    for at in (0..members.len()).rev() {
        let inner: Vec<Tree> = below[at].iter().filter_map(|inner| written[*inner].take()).collect();
        if let Some(entry) = written[at].as_mut().filter(|_| !inner.is_empty()) {
            entry.set("contains", Tree::Array(inner));
        }
    }
    written.into_iter().flatten().collect()
}

fn parameters(echoed: Vec<(String, &'static str, Tree)>, used: &Used) -> Vec<Tree> {
    let mut all = echoed;
    let uri = |(name, value): &(&'static str, String)| ((*name).to_owned(), "valueUri", Tree::string(value));
    all.extend(used.pins.iter().map(uri));
    all.extend(used.told.iter().map(uri));
    if used.merged {
        all.push(("versionsMatch".to_owned(), "valueBoolean", Tree::Bool(true)));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let one = |(name, member, value)| Tree::object([("name", Tree::string(name)), (member, value)]);
    all.into_iter()
        .map(|(name, member, value)| one((name, member, value)))
        .collect()
}
