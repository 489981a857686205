//! Relations as data, each with the checks of its types.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use crate::attr::{Action, RelationKind};
use crate::check::{Model, Relation};
use crate::expand::number;

/// The entry of a relation in the table.
pub(super) fn definition(model: &Model<'_>, relation: &Relation<'_>) -> TokenStream {
    let (name, target) = (&relation.field.name, &relation.target);
    let kind = Ident::new(relation.kind.type_name(), Span::call_site());
    let columns = relation.columns.iter().map(|index| number(*index));
    let target_columns = target_columns(model, relation);
    let order = order(relation);
    let constraint = match relation.constraint {
        None => quote!(::core::option::Option::None),
        Some([on_delete, on_update]) => {
            let (on_delete, on_update) = (action(on_delete), action(on_update));
            quote!(__orm::foreign_key(#on_delete, #on_update))
        }
    };
    let table = quote_spanned!(target.span()=> __orm::table::<#target>);
    quote! {
        __orm::RelationDef {
            name: #name,
            kind: __orm::RelationKind::#kind,
            target: #table,
            columns: || &[#(#columns),*],
            target_columns: #target_columns,
            order: #order,
            constraint: #constraint,
        }
    }
}

/// A function that names the other side's columns, and does not compile where their types don't fit ours.
fn target_columns(model: &Model<'_>, relation: &Relation<'_>) -> TokenStream {
    let (target, named) = (&relation.target, &relation.named);
    let types = relation.columns.iter().map(|index| &model.columns[*index].field.ty);
    let Some(others) = &relation.target_columns else {
        let span = relation
            .field
            .options
            .relation
            .as_ref()
            .map_or(target.span(), |it| it.columns[0].span());
        return match relation.columns.as_slice() {
            [_] => quote_spanned!(span=> __orm::key::<#(#types)*, #target>),
            _ => quote_spanned!(span=> __orm::keys::<(#(#types),*), #target>),
        };
    };
    let check = match relation.kind {
        RelationKind::BelongsTo => quote!(refers),
        RelationKind::HasOne | RelationKind::HasMany => quote!(referred),
    };
    let other = handles();
    let checks = others.iter().zip(types).map(|(column, ty)| {
        let check = quote_spanned!(column.span()=> __orm::#check::<#ty, _>);
        quote!(#check(#other.#column);)
    });
    let indices = indices(target, others.iter());
    quote! {
        || {
            let #other = __orm::fields::<#named>();
            #(#checks)*
            const { &[#(#indices),*] }
        }
    }
}

fn order(relation: &Relation<'_>) -> TokenStream {
    let (target, named) = (&relation.target, &relation.named);
    if relation.order.is_empty() {
        return quote!(|| &[]);
    }
    let other = handles();
    let columns = relation.order.iter().map(|by| &by.column);
    let checks = columns.clone().map(|column| quote!(let _ = #other.#column;));
    let keys = indices(target, columns).zip(relation.order).map(|(index, by)| {
        let descending = by.descending;
        quote!((#index, #descending))
    });
    quote! {
        || {
            let #other = __orm::fields::<#named>();
            #(#checks)*
            const { &[#(#keys),*] }
        }
    }
}

/// The variable that holds the other model's handles. It is one identifier in all places: where a model is made by a
/// macro, two that are written alike need not be the same.
fn handles() -> Ident {
    Ident::new("other", Span::mixed_site())
}

fn indices<'a>(
    target: &'a impl ToTokens,
    columns: impl Iterator<Item = &'a Ident>,
) -> impl Iterator<Item = TokenStream> {
    columns.map(move |column| {
        let name = crate::names::text(column);
        quote!(__orm::index_of::<#target>(#name))
    })
}

fn action(action: Action) -> TokenStream {
    let variant = match action {
        Action::NoAction => "NoAction",
        Action::Restrict => "Restrict",
        Action::Cascade => "Cascade",
        Action::SetNull => "SetNull",
        Action::SetDefault => "SetDefault",
    };
    let variant = format_ident!("{variant}");
    quote!(__orm::Action::#variant)
}
