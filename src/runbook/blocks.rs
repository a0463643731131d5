//! Markdown -> the blocks that are steps, each with its section and place.

use pulldown_cmark::{CodeBlockKind, Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use super::Mistake;

/// Line and column, from 1.
pub(super) type Place = (usize, usize);

#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) front: String,
    /// The line after the opening `+++`.
    pub(super) front_line: usize,
    pub(super) first_heading: Option<String>,
    pub(super) blocks: Vec<Block>,
}

#[derive(Debug)]
pub(super) struct Block {
    pub(super) section: String,
    pub(super) is_rollback: bool,
    pub(super) language: Language,
    pub(super) line: usize,
    pub(super) confirm: Option<(String, Place)>,
    pub(super) lines: Vec<(String, Place)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Mover,
    Shell,
    Expect,
}

/// The heading of the section that is not run forward.
const ROLLBACK: &str = "rollback";

pub(super) fn read(source: &str, mistakes: &mut Vec<Mistake>) -> Found {
    let mut found = Found::default();
    let (mut section, mut rollback_level) = (String::new(), None);
    let (mut heading, mut block, mut in_front) = (None, None::<Block>, false);
    for (event, range) in Parser::new_ext(source, Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS).into_offset_iter() {
        match event {
            Event::Start(Tag::MetadataBlock(MetadataBlockKind::PlusesStyle)) => in_front = true,
            Event::End(TagEnd::MetadataBlock(_)) => in_front = false,
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(level)) => {
                section = heading.take().unwrap_or_default();
                found.first_heading.get_or_insert_with(|| section.clone());
                if rollback_level.is_none_or(|rollback| level <= rollback) {
                    rollback_level = section.trim().eq_ignore_ascii_case(ROLLBACK).then_some(level);
                }
            }
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let place = place(source, range.start);
                block = begin(&info, &section, rollback_level.is_some(), place, mistakes);
            }
            Event::End(TagEnd::CodeBlock) => found.blocks.extend(block.take()),
            Event::Text(text) if in_front => {
                if found.front.is_empty() {
                    found.front_line = place(source, range.start).0;
                }
                found.front.push_str(&text);
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                } else if let Some(block) = &mut block {
                    let (first, column) = place(source, range.start);
                    let lines = text.lines().enumerate();
                    block.lines.extend(lines.map(|(number, line)| (line.to_owned(), (first + number, column))));
                }
            }
            _ => {}
        }
    }
    found
}

/// Begins a block, if it is a step; blocks in other languages are prose.
fn begin(
    info: &str,
    section: &str,
    is_rollback: bool,
    (line, column): Place,
    mistakes: &mut Vec<Mistake>,
) -> Option<Block> {
    let info = info.trim();
    let (language, rest) = info.split_once(char::is_whitespace).unwrap_or((info, ""));
    let language = match language {
        "mover" => Language::Mover,
        "sh" => Language::Shell,
        "expect" => Language::Expect,
        _ => return None,
    };
    let column = column + info.len() - rest.len() + "```".len();
    let rest = rest.trim();
    let confirm = match (rest, rest.strip_prefix("confirm=\"").and_then(|rest| rest.strip_suffix('"'))) {
        ("", _) => None,
        (_, Some(text)) if !text.contains('"') && !text.is_empty() => Some((text.to_owned(), (line, column))),
        _ => {
            let problem = format!("{rest:?} is unknown here; after the language there may be confirm=\"a question\"");
            mistakes.push(Mistake { line, column, problem });
            None
        }
    };
    Some(Block { section: section.into(), is_rollback, language, line, confirm, lines: Vec::new() })
}

fn place(source: &str, offset: usize) -> Place {
    let before = &source[..offset];
    let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_begin..].chars().count() + 1)
}
