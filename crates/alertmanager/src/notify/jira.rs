//! `jira_configs`: an issue per group, found again by a label that holds the group's hash.

use http::Method;
use serde_json::{Map, Value as Json};

use super::http::{Http, Request};
use super::{Context, Memory, NotifyError, Object, cut_chars};
use crate::config::receivers::Jira;

const SUMMARY_CHARS_MAX: usize = 255;
const DESCRIPTION_CHARS_MAX: usize = 32_767;

pub(super) async fn tell(config: &Jira, http: &Http, ctx: &Context<'_>) -> Result<Memory, NotifyError> {
    let jira = Talk { config, http, ctx, label: format!("ALERT{{{}}}", ctx.note.key_hash()) };
    let found = jira.search().await?;
    let Some((key, category)) = found else {
        if ctx.note.has_firing() {
            let body = Object::new().with("fields", jira.fields(true)?).json();
            jira.ask(Request::json(jira.url("issue"), &body)).await?;
        }
        return Ok(Memory::new());
    };
    let body = Object::new().with("fields", jira.fields(false)?).json();
    jira.ask(Request::new(Method::PUT, jira.url(&format!("issue/{key}"))).with_json(&body)).await?;
    jira.move_on(&key, &category).await?;
    Ok(Memory::new())
}

/// What one notification says to Jira.
struct Talk<'a> {
    config: &'a Jira,
    http: &'a Http,
    ctx: &'a Context<'a>,
    label: String,
}

impl Talk<'_> {
    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.config.api_url.0.trim_end_matches('/'))
    }

    /// Sends a request; a connection that breaks is not tried again: it may have made an issue.
    async fn ask(&self, request: Request) -> Result<Json, NotifyError> {
        let request = request.header("accept-language", "en");
        let answer = self.http.send(request, self.ctx).await;
        let answer = answer.map_err(|error| NotifyError { retries: false, ..error })?;
        answer.wants_success(&[429])?;
        match answer.body.trim() {
            "" => Ok(Json::Null),
            body => serde_json::from_str(body)
                .map_err(|error| NotifyError::permanent(format!("the answer of Jira is no JSON: {error}"))),
        }
    }

    /// Returns key and status category of the group's issue.
    async fn search(&self) -> Result<Option<(String, String)>, NotifyError> {
        let is_cloud = match self.config.api_type.as_str() {
            "cloud" => true,
            "datacenter" => false,
            _ => {
                let host = url::Url::parse(&self.config.api_url.0).ok();
                host.and_then(|url| url.host_str().map(|host| host.ends_with("atlassian.net")))
                    .unwrap_or(false)
            }
        };
        let url = match is_cloud {
            true => {
                let base = url::Url::parse(&self.config.api_url.0).ok();
                let url = base.and_then(|base| base.join("/rest/api/3/search/jql").ok());
                url.map(String::from).ok_or_else(|| NotifyError::permanent("jira api_url is no URL"))?
            }
            false => self.url("search"),
        };
        let body = Object::new()
            .with("jql", self.jql()?)
            .with("maxResults", 2)
            .with("fields", vec![Json::from("status")])
            .json();
        let found = self.ask(Request::json(url, &body)).await?;
        let issues = found["issues"].as_array().cloned().unwrap_or_default();
        if issues.len() > 1 {
            tracing::warn!(receiver = %self.ctx.note.receiver, "more than one Jira issue carries the group's label: the first is used");
        }
        let issue = issues.first();
        Ok(issue.and_then(|issue| {
            let category =
                issue.pointer("/fields/status/statusCategory/key").and_then(Json::as_str).unwrap_or("");
            Some((issue["key"].as_str()?.to_owned(), category.to_owned()))
        }))
    }

    fn jql(&self) -> Result<String, NotifyError> {
        let config = self.config;
        let mut jql = String::new();
        if !config.wont_fix_resolution.is_empty() {
            let resolution = &config.wont_fix_resolution;
            jql.push_str(&format!("(resolution is EMPTY or resolution != \"{resolution}\") and "));
        }
        let minutes = config.reopen_duration.0.as_secs() / 60;
        let may_reopen = self.ctx.note.has_firing() && !config.reopen_transition.is_empty();
        if may_reopen && minutes >= 1 {
            jql.push_str(&format!("(resolutiondate is EMPTY OR resolutiondate >= -{minutes}m) and "));
        } else if !may_reopen {
            jql.push_str("statusCategory != Done and ");
        }
        let project = self.ctx.text(&config.project)?;
        let label = &self.label;
        jql.push_str(&format!(
            "project=\"{project}\" and labels=\"{label}\" order by status ASC,resolutiondate DESC"
        ));
        Ok(jql)
    }

    fn fields(&self, is_new: bool) -> Result<Json, NotifyError> {
        let (config, ctx) = (self.config, self.ctx);
        let mut labels = vec![self.label.clone()];
        for label in &config.labels {
            labels.push(ctx.text(label)?);
        }
        labels.sort();
        let mut fields = Object::new()
            .with("project", Object::new().with("key", ctx.text(&config.project)?).json())
            .with("issuetype", Object::new().with("name", ctx.text(&config.issue_type)?).json());
        if is_new || config.summary.0.enable_update {
            let (summary, _) = cut_chars(&ctx.text(&config.summary.0.template)?, SUMMARY_CHARS_MAX);
            fields = fields.with("summary", summary);
        }
        if is_new || config.description.0.enable_update {
            let (text, _) = cut_chars(&ctx.text(&config.description.0.template)?, DESCRIPTION_CHARS_MAX);
            fields = fields.some("description", self.description(text)?);
        }
        fields = fields.with("labels", labels);
        let priority = ctx.text(&config.priority)?;
        if !priority.is_empty() {
            fields = fields.with("priority", Object::new().with("name", priority).json());
        }
        let Json::Object(mut fields) = fields.json() else { return Ok(Json::Object(Map::new())) };
        for (name, value) in &config.fields {
            fields.insert(name.clone(), ctx.tree(&value.0)?);
        }
        Ok(Json::Object(fields))
    }

    /// Version 3 of the API wants a document, not a text.
    fn description(&self, text: String) -> Result<Json, NotifyError> {
        if !self.config.api_url.0.trim_end_matches('/').ends_with("/3") || text.is_empty() {
            return Ok(text.into());
        }
        serde_json::from_str(&text).map_err(|error| {
            NotifyError::permanent(format!(
                "version 3 of Jira's API wants the description as a JSON document: {error}"
            ))
        })
    }

    /// Reopens or resolves the issue when its status asks for it.
    async fn move_on(&self, key: &str, category: &str) -> Result<(), NotifyError> {
        let is_done = category == "done";
        let wanted = match self.ctx.note.has_firing() {
            true if is_done => &self.config.reopen_transition,
            false if !is_done => &self.config.resolve_transition,
            _ => return Ok(()),
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let url = self.url(&format!("issue/{key}/transitions"));
        let known = self.ask(Request::new(Method::GET, url.clone())).await?;
        let transitions = known["transitions"].as_array().cloned().unwrap_or_default();
        let id = transitions.iter().find(|transition| transition["name"] == wanted.as_str());
        let Some(id) = id.and_then(|transition| transition["id"].as_str()) else {
            return Err(NotifyError::permanent(format!("can't find transition {wanted} for issue {key}")));
        };
        let body = Object::new().with("transition", Object::new().with("id", id).json()).json();
        self.ask(Request::json(url, &body)).await?;
        Ok(())
    }
}
