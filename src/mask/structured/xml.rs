//! XML: the text of elements, the values of attributes, comments.
//!
//! Pointers are made of the names of elements; an attribute is called `@name`. What says its key beside its value is
//! found under that key: `<add key="K" value="…"/>` (.NET), `<name>K</name><value>…</value>` (Maven).

use roxmltree::{Attribute, Document, Node, NodeType};

use super::leaf::{Leaf, Quote, Text, push_segment};
use crate::mask::{MaskError, Place};

/// Deeper nesting is refused.
const DEEPEST: usize = 128;

pub(super) fn read(text: &Text<'_>) -> Result<Vec<Leaf>, MaskError> {
    let options = roxmltree::ParsingOptions { allow_dtd: false, ..roxmltree::ParsingOptions::default() };
    if nests_too_deep(text.source) {
        return Err(text.unparsed(0));
    }
    let document = Document::parse_with_options(text.source, options).map_err(|_| text.unparsed(0))?;
    let mut leaves = Vec::new();
    element(text, document.root(), "", &mut leaves, 0);
    Ok(leaves)
}

/// A cheap look at the tags before a tree is built; whatever it takes for a tag too many is refused.
fn nests_too_deep(source: &str) -> bool {
    let mut depth = 0_usize;
    for at in memchr::memchr_iter(b'<', source.as_bytes()) {
        match source.as_bytes().get(at + 1) {
            Some(b'/') => depth = depth.saturating_sub(1),
            Some(b'!' | b'?') => {}
            _ => {
                let end = memchr::memchr(b'>', &source.as_bytes()[at..]).map_or(source.len(), |end| at + end);
                depth += usize::from(!source[..end].ends_with('/'));
            }
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}

fn element(text: &Text<'_>, node: Node<'_, '_>, pointer: &str, leaves: &mut Vec<Leaf>, depth: usize) {
    let told = node.attribute("key").filter(|_| node.attribute("value").is_some());
    for attribute in node.attributes() {
        leaves.extend(of_attribute(&attribute, told, pointer));
    }
    for child in node.children().filter(|_| depth <= DEEPEST) {
        match child.node_type() {
            NodeType::Element => {
                let name = name_of(child);
                let mut below = pointer.to_owned();
                push_segment(&mut below, name);
                element(text, child, &below, leaves, depth + 1);
            }
            NodeType::Text => leaves.extend(of_text(text, child, node, pointer)),
            NodeType::Comment => {
                let range = child.range();
                leaves.extend(text.comment(range));
            }
            NodeType::Root | NodeType::PI => {}
        }
    }
}

/// The name by which an element is found: that of a value's key, where it stands beside it.
fn name_of<'a>(node: Node<'a, '_>) -> &'a str {
    let name = node.tag_name().name();
    let beside = |node: Node<'a, '_>| node.prev_sibling_element().filter(|before| before.has_tag_name("name"))?.text();
    if name == "value" { beside(node).map_or(name, str::trim) } else { name }
}

fn of_attribute(attribute: &Attribute<'_, '_>, told: Option<&str>, pointer: &str) -> Option<Leaf> {
    let name = attribute.name();
    let mut below = pointer.to_owned();
    let key = if let Some(key) = told.filter(|_| name == "value") {
        // It stands for the element.
        below.truncate(pointer.rfind('/').unwrap_or(0));
        push_segment(&mut below, key);
        key
    } else {
        push_segment(&mut below, &format!("@{name}"));
        name
    };
    let range = attribute.range_value();
    (!range.is_empty()).then(|| Leaf::value(range, key, below, attribute.value()).quoted(Quote::Double))
}

fn of_text(text: &Text<'_>, child: Node<'_, '_>, node: Node<'_, '_>, pointer: &str) -> Option<Leaf> {
    let range = text.trimmed(child.range());
    let value = child.text().unwrap_or_default().trim();
    (!value.is_empty()).then(|| Leaf::value(range, name_of(node), pointer.to_owned(), value))
}

pub(super) fn write(leaf: &Leaf, value: &str) -> Option<String> {
    if value.chars().any(|character| character.is_control() && character != '\n') {
        return None;
    }
    if leaf.place == Place::Text {
        // Inside `<!--` and `-->`.
        return Some(value.to_owned());
    }
    let escaped = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Some(if leaf.quote == Quote::Double { escaped.replace('"', "&quot;").replace('\'', "&apos;") } else { escaped })
}

#[cfg(test)]
mod tests {
    use crate::mask::Structure::Xml;
    use crate::mask::structured::tests::{hides, refuses};

    #[test]
    fn replaces_text_and_attributes() {
        let text = "<?xml version=\"1.0\"?>\n<settings xmlns='http://maven'>\n  <!-- c -->\n  <servers><server>\n    <id>x</id>\n    \
                    <password> a&amp;b </password>\n    <property><name>Authorization</name><value>v</value></property>\n  \
                    </server></servers>\n</settings>\n";
        for (pointer, source, expected) in [
            ("/settings/servers/server/password", "a&amp;b", "PLACEHOLDER"),
            ("/settings/servers/server/property/Authorization", ">v<", ">PLACEHOLDER<"),
        ] {
            assert_eq!(hides(Xml, text, pointer), text.replace(source, expected), "{pointer}");
        }
        let text = "<configuration><c><My_Source><add key='ClearTextPassword' value='p&lt;w'/></My_Source></c></configuration>";
        let hidden = hides(Xml, text, "/configuration/c/My_Source/ClearTextPassword");
        assert_eq!(hidden, text.replace("p&lt;w", "PLACEHOLDER"));
        assert_eq!(hides(Xml, "<a b=\"x\">t<![CDATA[u]]></a>", "/a/@b"), "<a b=\"PLACEHOLDER\">t<![CDATA[u]]></a>");
    }

    #[test]
    fn refuses_what_is_no_plain_xml() {
        let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
        for text in
            ["<a>x</b>", "<a>x", "x", "<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "<a>&nope;</a>", deep.as_str()]
        {
            refuses(Xml, text, "/a");
        }
    }
}
