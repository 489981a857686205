//! What can be told of a field from how its type is written.

use syn::{GenericArgument, PathArguments, PathSegment, Type};

use crate::attr::RelationKind;
use crate::names;

/// `BelongsTo` and `Artist` from `BelongsTo<Artist>`, for the three kinds of relation.
pub(crate) fn relation_target(ty: &Type) -> Option<(String, Type)> {
    let segment = last_segment(ty)?;
    let name = names::text(&segment.ident);
    let kinds = [RelationKind::BelongsTo, RelationKind::HasOne, RelationKind::HasMany];
    if !kinds.iter().any(|kind| kind.type_name() == name) {
        return None;
    }
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    match arguments.args.iter().collect::<Vec<_>>().as_slice() {
        [GenericArgument::Type(target)] => Some((name, target.clone())),
        _ => None,
    }
}

/// Whether a type is written as an `Option`.
pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "Option")
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}
