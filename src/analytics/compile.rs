//! Compiles a ViewDefinition: names, paths, constants and columns are judged, all faults told at once.

use fhir::document::{Document, Node};
use fhir::outcome::{Code, Issue};
use fhir::parse::Limits;
use fhirpath::expression::Expression;
use fhirpath::model::{Model, TypeId};

use crate::names::{ROW_INDEX, is_given, is_name};
use crate::view::{Column, Constant, Constants, Over, Part, Path, Select, View};

/// How many columns a view may have; PostgreSQL takes 1,600 in a table.
const COLUMNS_LIMIT: usize = 1_000;
/// How many selects a view may have in all.
const SELECTS_LIMIT: usize = 1_000;
/// How deep selects may nest.
const DEPTH_LIMIT: usize = 16;
/// What a select may have (<https://sql-on-fhir.org/ig/latest/StructureDefinition-ViewDefinition.html>).
const SELECT_MEMBERS: [&str; 9] = [
    "id",
    "extension",
    "modifierExtension",
    "column",
    "select",
    "forEach",
    "forEachOrNull",
    "repeat",
    "unionAll",
];

impl View {
    /// Compiles a ViewDefinition, of which only what makes the table is read: `name`, `resource`, `constant`, `where`
    /// and `select`. Whether the server has the kind of record it names is not judged here.
    ///
    /// # Errors
    /// Every fault, each with its place, such as `ViewDefinition.select[0].column[1].path`.
    pub fn compile(model: &dyn Model, definition: Node<'_>) -> Result<View, Vec<Issue>> {
        let mut compiler = Compiler {
            model,
            issues: Vec::new(),
            columns: Vec::new(),
            constants: Vec::new(),
            selects: 0,
        };
        let constants = compiler.constants(definition);
        let resource = compiler.resource(definition);
        let kinds = model.type_id(&resource).map(|kind| vec![kind]);
        let filters = compiler.filters(definition, &kinds);
        let parts = compiler.selects(definition, "select", "ViewDefinition", (&kinds, 0));
        if parts.is_empty() {
            compiler.fault(
                Code::Required,
                "A view needs at least one select.",
                "ViewDefinition.select",
            );
        }
        if !compiler.issues.is_empty() {
            return Err(compiler.issues);
        }
        Ok(View {
            name: definition.string("name").map(|name| name.into_owned()),
            resource,
            columns: compiler.columns,
            constants,
            filters,
            parts: parts.into_iter().map(Part::Select).collect(),
        })
    }
}

/// The types that the items of a select may have; `None` where they can't be told.
type Kinds = Option<Vec<TypeId>>;

struct Compiler<'m> {
    model: &'m dyn Model,
    issues: Vec<Issue>,
    columns: Vec<Column>,
    constants: Vec<String>,
    selects: usize,
}

/// The items of a list member, each with its place: `ViewDefinition.select[0].column[1]`.
fn listed<'a>(holder: Node<'a>, name: &str, at: &str) -> Vec<(Node<'a>, String)> {
    let list = holder.get(name).into_iter().flat_map(|list| list.each());
    list.enumerate()
        .map(|(number, node)| (node, format!("{at}.{name}[{number}]")))
        .collect()
}

impl Compiler<'_> {
    fn fault(&mut self, code: Code, text: impl Into<String>, at: &str) {
        self.issues.push(Issue::error(code, text).at(at));
    }

    fn resource(&mut self, definition: Node<'_>) -> String {
        let name = definition.string("resource").unwrap_or_default();
        if fhir::identity::Kind::new(&name).is_none() {
            let text = "A view needs the kind of record it is of, such as \"resource\": \"Patient\".";
            self.fault(Code::Required, text, "ViewDefinition.resource");
        }
        name.into_owned()
    }

    fn constants(&mut self, definition: Node<'_>) -> Constants {
        let Some(list) = definition.get("constant") else {
            return Constants::default();
        };
        // What was parsed once is parsed again within the same limits.
        let Ok(document) = Document::parse(list.text().as_bytes(), Limits::default()) else {
            self.fault(
                Code::Structure,
                "The constants cannot be read.",
                "ViewDefinition.constant",
            );
            return Constants::default();
        };
        let mut values = Vec::new();
        for (number, node) in document.root().each().enumerate() {
            let at = format!("ViewDefinition.constant[{number}]");
            values.extend(self.constant(node, &at));
        }
        Constants {
            document: Some(document),
            values,
        }
    }

    fn constant(&mut self, node: Node<'_>, at: &str) -> Option<Constant> {
        let name = self.name(node, at)?;
        if is_given(&name) || self.constants.contains(&name) {
            let text = format!("The constant {name} is there already; give this one another name.");
            self.fault(Code::Duplicate, text, &format!("{at}.name"));
            return None;
        }
        self.constants.push(name.clone());
        let mut found = node.members().filter(|(member, _)| member.starts_with("value"));
        let (Some((member, value)), None) = (found.next(), found.next()) else {
            let text = format!("The constant {name} needs one value, such as \"valueString\": \"…\".");
            self.fault(Code::Required, text, &format!("{at}.value"));
            return None;
        };
        let kind = &member["value".len()..];
        if kind.is_empty() || value.scalar().is_none() {
            let text = format!("The constant {name} needs a primitive value, such as \"valueString\": \"…\".");
            self.fault(Code::Value, text, &format!("{at}.{member}"));
            return None;
        }
        let primitive = kind[..1].to_ascii_lowercase() + &kind[1..];
        Some(Constant {
            name,
            place: value.place(),
            kind: self.model.type_id(&primitive),
        })
    }

    fn name(&mut self, node: Node<'_>, at: &str) -> Option<String> {
        let name = node.string("name").unwrap_or_default();
        if is_name(&name) {
            return Some(name.into_owned());
        }
        let text = match name.is_empty() {
            true => "A name is missing: a letter, then letters, digits and underscores.".to_owned(),
            false => format!("\"{name}\" is no name: write a letter, then letters, digits and underscores."),
        };
        self.fault(Code::Value, text, &format!("{at}.name"));
        None
    }

    fn filters(&mut self, definition: Node<'_>, kinds: &Kinds) -> Vec<Path> {
        let list = listed(definition, "where", "ViewDefinition");
        list.into_iter()
            .filter_map(|(node, at)| Some(self.path(node.get("path"), &format!("{at}.path"), kinds)?.0))
            .collect()
    }

    /// An expression in a member, on items of some types, and the types of what it finds; nothing where it is none, and
    /// then that is told.
    fn path(&mut self, node: Option<Node<'_>>, at: &str, kinds: &Kinds) -> Option<(Path, Kinds)> {
        let text = node
            .and_then(|node| node.as_str())
            .filter(|text| !text.trim().is_empty());
        let Some(text) = text else {
            self.fault(
                Code::Required,
                "A path is missing here: a FHIRPath expression as a string.",
                at,
            );
            return None;
        };
        let expression = match Expression::parse(&text) {
            Ok(expression) => expression,
            Err(invalid) => {
                self.fault(Code::Invalid, format!("\"{text}\" is no FHIRPath: {invalid}."), at);
                return None;
            }
        };
        let found = match expression.check(self.model, kinds, false) {
            Ok(found) => found,
            Err(failure) => {
                self.fault(
                    Code::Invalid,
                    format!("The path \"{text}\" leads nowhere: {failure}."),
                    at,
                );
                return None;
            }
        };
        let variables = expression.variables();
        let unknown = |name: &&str| !is_given(name) && !self.constants.iter().any(|constant| constant == name);
        if let Some(name) = variables.iter().copied().find(unknown) {
            let text = format!("There is no %{name}: the view has no constant of that name.");
            self.fault(Code::NotFound, text, at);
            return None;
        }
        let indexed = variables.contains(&ROW_INDEX);
        Some((Path { expression, indexed }, found))
    }

    fn selects(&mut self, holder: Node<'_>, member: &str, at: &str, (kinds, depth): (&Kinds, usize)) -> Vec<Select> {
        let list = listed(holder, member, at);
        list.into_iter()
            .filter_map(|(node, at)| self.select(node, &at, (kinds, depth)))
            .collect()
    }

    fn select(&mut self, node: Node<'_>, at: &str, (kinds, depth): (&Kinds, usize)) -> Option<Select> {
        self.selects += 1;
        if depth >= DEPTH_LIMIT || self.selects > SELECTS_LIMIT {
            let text = format!("A view may have {SELECTS_LIMIT} selects, nested {DEPTH_LIMIT} deep.");
            self.fault(Code::TooLong, text, at);
            return None;
        }
        let unknown = |name: &str| !SELECT_MEMBERS.contains(&name) && !name.starts_with('_');
        if let Some((name, _)) = node.members().find(|(name, _)| unknown(name)) {
            let text = format!("A select has no \"{name}\"; it has {}.", SELECT_MEMBERS[3..].join(", "));
            self.fault(Code::Structure, text, at);
        }
        // Where what it goes over is at fault, nothing can be said of the types within.
        let (over, kinds) = self.over(node, at, kinds).unzip();
        let within = (&kinds.flatten(), depth + 1);
        let mut parts = Vec::new();
        let columns = self.columns(node, at, within.0);
        if node.get("column").is_some() {
            parts.push(Part::Columns(columns));
        }
        parts.extend(self.selects(node, "select", at, within).into_iter().map(Part::Select));
        if node.get("unionAll").is_some() {
            parts.push(Part::Union(self.union(node, at, within)));
        }
        if parts.is_empty() {
            self.fault(Code::Required, "A select needs a column, a select or a unionAll.", at);
        }
        Some(Select { over: over?, parts })
    }

    /// What a select goes over, and the types of that.
    fn over(&mut self, node: Node<'_>, at: &str, kinds: &Kinds) -> Option<(Over, Kinds)> {
        let given = ["forEach", "forEachOrNull", "repeat"].map(|name| node.get(name));
        if given.iter().flatten().count() > 1 {
            let text = "A select goes over one thing: write forEach, forEachOrNull or repeat, not several.";
            self.fault(Code::Invariant, text, at);
            return None;
        }
        let mut each = |node, name, or_null| {
            let (path, found) = self.path(node, &format!("{at}.{name}"), kinds)?;
            Some((Over::Each(path, or_null), found))
        };
        match given {
            [node @ Some(_), _, _] => each(node, "forEach", false),
            [_, node @ Some(_), _] => each(node, "forEachOrNull", true),
            [_, _, Some(_)] => {
                let mut paths = Vec::new();
                let mut whole = true;
                for (path, at) in listed(node, "repeat", at) {
                    // A path goes on from what it and the others found, whose types may differ.
                    match self.path(Some(path), &at, &None) {
                        Some((path, _)) => paths.push(path),
                        None => whole = false,
                    }
                }
                whole.then_some((Over::Repeat(paths), None))
            }
            [None, None, None] => Some((Over::Here, kinds.clone())),
        }
    }

    fn columns(&mut self, node: Node<'_>, at: &str, kinds: &Kinds) -> Vec<(usize, Path)> {
        let list = listed(node, "column", at);
        list.into_iter()
            .filter_map(|(node, at)| self.column(node, &at, kinds))
            .collect()
    }

    fn column(&mut self, node: Node<'_>, at: &str, kinds: &Kinds) -> Option<(usize, Path)> {
        let name = self.name(node, at);
        let path = self.path(node.get("path"), &format!("{at}.path"), kinds);
        let name = name?;
        if self.columns.iter().any(|column| column.name == name) {
            let text = format!("The column {name} is there already; give this one another name.");
            self.fault(Code::Duplicate, text, &format!("{at}.name"));
            return None;
        }
        if self.columns.len() >= COLUMNS_LIMIT {
            self.fault(Code::TooLong, format!("A view may have {COLUMNS_LIMIT} columns."), at);
            return None;
        }
        let collection = node.get("collection");
        if collection.is_some_and(|flag| flag.as_bool().is_none()) {
            self.fault(Code::Value, "Write true or false.", &format!("{at}.collection"));
        }
        self.columns.push(Column {
            name,
            kind: node.string("type").map(|kind| kind.into_owned()),
            collection: collection.and_then(|flag| flag.as_bool()) == Some(true),
        });
        Some((self.columns.len() - 1, path?.0))
    }

    /// The branches of a unionAll: all have the columns of the first, which take the same places in the row.
    fn union(&mut self, node: Node<'_>, at: &str, within: (&Kinds, usize)) -> Vec<Select> {
        let start = self.columns.len();
        let mut first: Option<Vec<Column>> = None;
        let mut branches = Vec::new();
        for (node, at) in listed(node, "unionAll", at) {
            branches.extend(self.select(node, &at, within));
            let own = self.columns.split_off(start);
            match &first {
                None => first = Some(own),
                Some(first) => {
                    let name = |columns: &[Column]| -> Vec<String> { columns.iter().map(|c| c.name.clone()).collect() };
                    let same = |(a, b): (&Column, &Column)| a.name == b.name && a.collection == b.collection;
                    if first.len() != own.len() || !first.iter().zip(&own).all(same) {
                        let text = format!(
                            "Every branch of a unionAll has the same columns in the same order: here {}, before {}.",
                            name(&own).join(", "),
                            name(first).join(", ")
                        );
                        self.fault(Code::Invariant, text, &at);
                    }
                }
            }
        }
        self.columns.extend(first.unwrap_or_default());
        branches
    }
}
