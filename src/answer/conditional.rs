//! What becomes of a representation that the client has already, takes for another one, or wants parts of: 304, 412,
//! 206 and 416 in place of 200 (RFC 9110, sections 13 and 14).

use std::ops::Range;

use super::generated::Page;
use super::{Answer, Asked, Content, Fields, Part, about_choice};
use crate::http::Status;
use crate::http::precondition::{self, Validators, Verdict};
use crate::http::range::{self, Multipart, Parts, Selection, content_range};
use crate::http::request::Method;
use crate::http::response::{changed_fields, field_value, push_field};
use crate::resource::Policy;
use crate::webroot::StoredVariant;

/// The answer that the conditions of the request make of `answer`, which is 200 with the whole of `stored`.
pub(super) fn conditional<'w>(
    answer: Answer<'w>,
    stored: StoredVariant<'w>,
    policy: Policy,
    asked: &Asked<'w, '_>,
) -> Answer<'w> {
    let request = asked.request;
    let validators = Validators { etag: stored.etag(), fields: stored.block() };
    match precondition::judge(request, validators) {
        Verdict::Proceed => {}
        Verdict::NotModified => return not_modified(answer, stored),
        Verdict::Failed => return refused(Status::PreconditionFailed, answer, policy, asked),
    }
    let Some(field) = request.range.as_deref().filter(|_| request.method == Method::Get) else { return answer };
    if request.if_range.as_deref().is_some_and(|field| !precondition::if_range_holds(field, validators)) {
        return answer;
    }
    let body = stored.body();
    match range::select(field, body.end - body.start) {
        Selection::Whole => answer,
        Selection::Unsatisfiable => refused(Status::RangeNotSatisfiable, answer, policy, asked),
        Selection::Parts(parts) => match &parts[..] {
            [part] => single(answer, part, &body),
            _ => several(answer, validators.etag, &parts, &body),
        },
    }
}

/// 304, without what the client knows from the first time.
fn not_modified<'w>(answer: Answer<'w>, stored: StoredVariant<'w>) -> Answer<'w> {
    let kept = stored.not_modified_block();
    let fields = match answer.fields {
        Fields::Stored(_) => Fields::Stored(kept),
        Fields::Generated(lines) => {
            let left_out = stored.block().get(kept.len()..).unwrap_or_default();
            Fields::Generated(changed_fields(&lines, |name| field_value(left_out, name).map(|_| Vec::new())))
        }
    };
    Answer { status: Status::NotModified, fields, content: Content::None, ..answer }
}

/// 412 or 416, with the fields by which the client finds out what there is now.
fn refused<'w>(status: Status, answer: Answer<'w>, policy: Policy, asked: &Asked<'w, '_>) -> Answer<'w> {
    let lines = answer.fields.bytes();
    let mut fields = Vec::new();
    // Apache forgets the choice when it sends 416.
    if policy == Policy::Modern || status == Status::PreconditionFailed {
        push_field(&mut fields, "ETag", field_value(lines, "ETag").unwrap_or_default());
        fields.extend(about_choice(&answer));
    }
    if status == Status::RangeNotSatisfiable {
        push_field(&mut fields, "Content-Range", content_range(None, answer.content.length()).as_bytes());
    }
    let page = Page { fields, ..Page::error(status) }.answer(policy, asked.accept());
    Answer { selected: answer.selected, ..page }
}

/// 206 with one part of `body`.
fn single<'w>(answer: Answer<'w>, part: &Range<u64>, body: &Range<u64>) -> Answer<'w> {
    let mut fields = with_length(&answer, part.end - part.start);
    push_field(&mut fields, "Content-Range", content_range(Some(part), body.end - body.start).as_bytes());
    let content = Content::Stored(body.start + part.start..body.start + part.end);
    Answer { status: Status::PartialContent, fields: Fields::Generated(fields), content, ..answer }
}

/// 206 with several parts of `body`, unless that would be longer than the whole.
fn several<'w>(answer: Answer<'w>, etag: &[u8], parts: &Parts, body: &Range<u64>) -> Answer<'w> {
    let media_type = field_value(answer.fields.bytes(), "Content-Type").unwrap_or_default();
    let Some(Multipart { content_type, heads, end, length }) =
        range::multipart(parts, body.end - body.start, etag, media_type)
    else {
        return answer;
    };
    let fields = with_length(&answer, length);
    let mut fields = changed_fields(&fields, |name| (name == "Content-Type").then(Vec::new));
    push_field(&mut fields, "Content-Type", &content_type);
    let stored = parts.iter().map(|part| Part::Stored(body.start + part.start..body.start + part.end));
    let mut content: Vec<_> = heads.into_iter().map(Part::Generated).zip(stored).flat_map(<[Part; 2]>::from).collect();
    content.push(Part::Generated(end));
    let content = Content::Parts(content);
    Answer { status: Status::PartialContent, fields: Fields::Generated(fields), content, ..answer }
}

/// The field lines of an answer, with another Content-Length.
fn with_length(answer: &Answer<'_>, length: u64) -> Vec<u8> {
    changed_fields(answer.fields.bytes(), |name| (name == "Content-Length").then(|| length.to_string().into_bytes()))
}
