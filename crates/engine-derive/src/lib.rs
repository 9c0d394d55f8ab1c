//! `#[derive(Params)]`: turns a plain struct into the typed parameters of an endpoint.
//!
//! The doc comment of a field becomes its help text, its type decides coercion, and `#[param(..)]` adds the
//! rest: `default = "3600"` (written as a client would send it), `secret` (never shown, never audited in
//! clear), `required`, `name = "type"` where the wire name is no Rust name, `flatten` for parameters that several
//! endpoints share, and `rest` for a map that collects every field the struct does not declare.
use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Expr, ExprLit, Fields, Lit, Meta, parse_macro_input};

#[derive(Default)]
struct Options {
    name: Option<String>,
    default: Option<String>,
    secret: bool,
    required: bool,
    rest: bool,
    flatten: bool,
}

fn options_of(field: &syn::Field) -> syn::Result<Options> {
    let mut options = Options::default();
    for attr in field.attrs.iter().filter(|a| a.path().is_ident("param")) {
        attr.parse_nested_meta(|meta| {
            let text = |meta: &syn::meta::ParseNestedMeta<'_>| -> syn::Result<String> {
                Ok(meta.value()?.parse::<syn::LitStr>()?.value())
            };
            if meta.path.is_ident("name") {
                options.name = Some(text(&meta)?);
            } else if meta.path.is_ident("default") {
                options.default = Some(text(&meta)?);
            } else if meta.path.is_ident("secret") {
                options.secret = true;
            } else if meta.path.is_ident("required") {
                options.required = true;
            } else if meta.path.is_ident("rest") {
                options.rest = true;
            } else if meta.path.is_ident("flatten") {
                options.flatten = true;
            } else {
                return Err(meta.error("known are: name, default, secret, required, rest, flatten"));
            }
            Ok(())
        })?;
    }
    Ok(options)
}

fn doc_of(field: &syn::Field) -> String {
    let mut lines = Vec::new();
    for attr in field.attrs.iter().filter(|a| a.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = &pair.value
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    lines.join(" ")
}

/// Derives `lessor_engine::Params`; see the crate's documentation for the attributes.
#[proc_macro_derive(Params, attributes(param))]
pub fn derive_params(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let ident = &input.ident;
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(input, "Params is for structs"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new_spanned(input, "Params needs named fields"));
    };
    let mut specs = Vec::new();
    let mut reads = Vec::new();
    let mut shared = Vec::new();
    let mut rest = None;
    for field in &fields.named {
        // Named fields were checked above, so every field has an identifier.
        let Some(member) = &field.ident else { continue };
        let options = options_of(field)?;
        if options.rest {
            rest = Some(quote! { #member: ::std::mem::take(raw) });
            continue;
        }
        if options.flatten {
            let ty = &field.ty;
            shared.push(quote! { <#ty as ::lessor_engine::Params>::FIELDS });
            reads.push(quote! { #member: <#ty as ::lessor_engine::Params>::parse(raw)? });
            continue;
        }
        let name = options.name.unwrap_or_else(|| member.to_string().trim_start_matches("r#").to_owned());
        let doc = doc_of(field);
        if doc.is_empty() {
            return Err(syn::Error::new_spanned(field, "a parameter needs a doc comment: it is its help text"));
        }
        let ty = &field.ty;
        let (secret, required) = (options.secret, options.required);
        let default = if let Some(text) = &options.default { quote!(Some(#text)) } else { quote!(None) };
        specs.push(quote! {
            ::lessor_engine::FieldSpec {
                name: #name, kind: <#ty as ::lessor_engine::FieldValue>::KIND, doc: #doc,
                default: #default, secret: #secret, required: #required,
            }
        });
        reads.push(quote! {
            #member: ::lessor_engine::field::take::<#ty>(raw, #name, #default, #required)?
        });
    }
    let keeps_unknown = rest.is_some();
    let reads = reads.into_iter().chain(rest);
    Ok(quote! {
        impl ::lessor_engine::Params for #ident {
            const FIELDS: &'static [::lessor_engine::FieldSpec] = {
                const PARTS: &[&[::lessor_engine::FieldSpec]] = &[&[#(#specs),*], #(#shared),*];
                const ALL: [::lessor_engine::FieldSpec; ::lessor_engine::field::count(PARTS)] =
                    ::lessor_engine::field::join(PARTS);
                &ALL
            };
            const KEEPS_UNKNOWN: bool = #keeps_unknown;
            fn parse(raw: &mut ::lessor_engine::Fields) -> ::std::result::Result<Self, ::lessor_engine::FieldError> {
                Ok(Self { #(#reads),* })
            }
        }
    })
}
