//! The HTTP client block as it is printed.

use wf_httpkit::client::{BasicAuth, ClientOptions, OAuth2, TlsOptions, TlsVersion};

use super::tree::{Fields, Tree};

/// Adds the keys of a client; `http2` is the default of the section they stand in.
pub(super) fn fields(fields: &mut Fields, client: &ClientOptions, http2: bool) {
    if let Some(BasicAuth { username, username_file, password, password_file }) = &client.basic_auth {
        let mut auth = Fields::new(false);
        auth.option("username", Some(username).filter(|name| !name.is_empty()));
        auth.option("username_file", username_file.as_ref().map(|path| path.display()));
        auth.option("password", password.as_ref());
        auth.option("password_file", password_file.as_ref().map(|path| path.display()));
        fields.put("basic_auth", auth.build());
    }
    if let Some(authorization) = &client.authorization {
        let mut auth = Fields::new(false);
        auth.put("type", Tree::text(authorization.scheme()));
        auth.option("credentials", authorization.credentials.as_ref());
        auth.option("credentials_file", authorization.credentials_file.as_ref().map(|path| path.display()));
        fields.put("authorization", auth.build());
    }
    if let Some(oauth2) = &client.oauth2 {
        fields.put("oauth2", oauth2_tree(oauth2));
    }
    if let Some(token) = &client.bearer_token {
        fields.put("bearer_token", Tree::text(token));
    }
    if let Some(path) = &client.bearer_token_file {
        fields.put("bearer_token_file", Tree::path(path));
    }
    if client.tls_config != TlsOptions::default() {
        fields.put("tls_config", tls_tree(&client.tls_config));
    }
    fields.put("follow_redirects", Tree::plain(client.follow_redirects));
    fields.unless(client.enable_http2 == http2 && !http2, "enable_http2", Tree::plain(client.enable_http2));
    fields.option("proxy_url", client.proxy_url.as_ref());
    fields.option("no_proxy", Some(&client.no_proxy).filter(|hosts| !hosts.is_empty()));
    let from_environment = client.proxy_from_environment;
    fields.unless(!from_environment, "proxy_from_environment", Tree::plain(from_environment));
    let headers = client.proxy_connect_header.iter();
    fields.filled(
        "proxy_connect_header",
        Tree::Map(headers.map(|(name, values)| (name.clone(), Tree::texts(values))).collect()),
    );
    let headers = client.http_headers.iter().map(|(name, header)| {
        let mut tree = Fields::new(false);
        tree.filled("values", Tree::texts(&header.values));
        tree.filled("secrets", Tree::texts(&header.secrets));
        tree.filled("files", Tree::texts(header.files.iter().map(|path| path.display())));
        (name.clone(), tree.build())
    });
    fields.filled("http_headers", Tree::Map(headers.collect()));
}

fn oauth2_tree(oauth2: &OAuth2) -> Tree {
    let mut fields = Fields::new(false);
    let filled = |text: &'_ String| Some(text.clone()).filter(|text| !text.is_empty());
    fields.put("client_id", Tree::text(&oauth2.client_id));
    fields.option("client_secret", oauth2.client_secret.as_ref());
    fields.option("client_secret_file", oauth2.client_secret_file.as_ref().map(|path| path.display()));
    fields.option("client_certificate_key_id", filled(&oauth2.client_certificate_key_id));
    fields.option("client_certificate_key", oauth2.client_certificate_key.as_ref());
    let key_file = oauth2.client_certificate_key_file.as_ref();
    fields.option("client_certificate_key_file", key_file.map(|path| path.display()));
    fields.option("signature_algorithm", filled(&oauth2.signature_algorithm));
    fields.option("grant_type", filled(&oauth2.grant_type));
    fields.option("iss", filled(&oauth2.iss));
    fields.option("audience", filled(&oauth2.audience));
    fields.filled("claims", Tree::pairs(&oauth2.claims));
    fields.filled("scopes", Tree::texts(&oauth2.scopes));
    fields.put("token_url", Tree::text(&oauth2.token_url));
    fields.filled("endpoint_params", Tree::pairs(&oauth2.endpoint_params));
    if oauth2.tls_config != TlsOptions::default() {
        fields.put("tls_config", tls_tree(&oauth2.tls_config));
    }
    fields.option("proxy_url", oauth2.proxy_url.as_ref());
    fields.option("no_proxy", filled(&oauth2.no_proxy));
    let from_environment = oauth2.proxy_from_environment;
    fields.unless(!from_environment, "proxy_from_environment", Tree::plain(from_environment));
    let headers = oauth2.proxy_connect_header.iter();
    fields.filled(
        "proxy_connect_header",
        Tree::Map(headers.map(|(name, values)| (name.clone(), Tree::texts(values))).collect()),
    );
    fields.build()
}

fn tls_tree(tls: &TlsOptions) -> Tree {
    let mut fields = Fields::new(false);
    fields.option("ca", tls.ca.as_ref());
    fields.option("ca_file", tls.ca_file.as_ref().map(|path| path.display()));
    fields.option("cert", tls.cert.as_ref());
    fields.option("cert_file", tls.cert_file.as_ref().map(|path| path.display()));
    fields.option("key", tls.key.as_ref());
    fields.option("key_file", tls.key_file.as_ref().map(|path| path.display()));
    fields.option("server_name", tls.server_name.as_ref());
    fields.option("min_version", tls.min_version.map(version));
    fields.option("max_version", tls.max_version.map(version));
    fields.put("insecure_skip_verify", Tree::plain(tls.insecure_skip_verify));
    fields.build()
}

fn version(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls10 => "TLS10",
        TlsVersion::Tls11 => "TLS11",
        TlsVersion::Tls12 => "TLS12",
        TlsVersion::Tls13 => "TLS13",
    }
}
