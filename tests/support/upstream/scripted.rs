//! Models that do as the test says: asked for a turn they call the agent's shell tool once with the test's command, and
//! when its result came they say [`DONE`]. Anthropic's Messages API, OpenAI's Responses and Chat Completions APIs and
//! Gemini's, streamed.

use serde_json::{Value, json};

/// What the last turn says.
pub(crate) const DONE: &str = "the agent is done";

/// One event of a stream: its name and its data.
pub(crate) type Event = (&'static str, Value);

/// The next turn of a Messages API conversation; `None` where the request is not the agent's own turn, which alone
/// offers the tool.
pub(crate) fn messages(asked: &Value, command: &str) -> Option<Vec<Event>> {
    let shell = asked["tools"]
        .as_array()?
        .iter()
        .find_map(|tool| tool["name"].as_str().filter(|name| name.eq_ignore_ascii_case("bash")))?;
    let (block, delta, reason) = if asked["messages"].to_string().contains("\"tool_result\"") {
        (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": DONE}), "end_turn")
    } else {
        let input = json!({"command": command, "description": "Look around"}).to_string();
        let block = json!({"type": "tool_use", "id": "toolu_01", "name": shell, "input": {}});
        (block, json!({"type": "input_json_delta", "partial_json": input}), "tool_use")
    };
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1},
    });
    let end = json!({"stop_reason": reason, "stop_sequence": null});
    Some(vec![
        ("message_start", json!({"type": "message_start", "message": message})),
        ("content_block_start", json!({"type": "content_block_start", "index": 0, "content_block": block})),
        ("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": delta})),
        ("content_block_stop", json!({"type": "content_block_stop", "index": 0})),
        ("message_delta", json!({"type": "message_delta", "delta": end, "usage": {"output_tokens": 3}})),
        ("message_stop", json!({"type": "message_stop"})),
    ])
}

/// The next turn of a Responses API conversation; without input it is one that the agent warms its connection with.
pub(crate) fn responses(asked: &Value, command: &str) -> Vec<Event> {
    let input = asked["input"].to_string();
    let item = if input == "[]" {
        None
    } else if input.contains("_call_output\"") {
        let content = json!([{"type": "output_text", "text": DONE, "annotations": []}]);
        let item = json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content,
        });
        Some(item)
    } else {
        Some(shell_call(asked, command))
    };
    let response = |status: &str| {
        json!({
            "id": "resp_1", "object": "response", "status": status, "model": asked["model"], "output": [],
            "usage": {
                "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
            },
        })
    };
    let mut events =
        vec![("response.created", json!({"type": "response.created", "response": response("in_progress")}))];
    for name in ["response.output_item.added", "response.output_item.done"] {
        events.extend(item.iter().map(|item| (name, json!({"type": name, "output_index": 0, "item": item}))));
    }
    events.push(("response.completed", json!({"type": "response.completed", "response": response("completed")})));
    events
}

/// A call of the agent's shell tool: of its own, or of the JavaScript tool that newer models get in its place.
fn shell_call(asked: &Value, command: &str) -> Value {
    let offers = |name: &str| asked["tools"].as_array().is_some_and(|all| all.iter().any(|tool| tool["name"] == name));
    let call = |name: &str, arguments: Value| {
        let arguments = arguments.to_string();
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "arguments": arguments})
    };
    if offers("exec_command") {
        call("exec_command", json!({"cmd": command}))
    } else if offers("shell_command") {
        call("shell_command", json!({"command": command}))
    } else {
        let code = format!("const done = await tools.exec_command({{cmd: {}}}); text(done.output);", json!(command));
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "exec", "input": code})
    }
}

/// The next turn of a Chat Completions conversation, in its chunks; an agent that offers no tool has none to call.
pub(crate) fn completions(asked: &Value, command: &str) -> Vec<Value> {
    let offered: Vec<&str> = asked["tools"]
        .as_array()
        .map_or_else(Vec::new, |tools| tools.iter().filter_map(|tool| tool["function"]["name"].as_str()).collect());
    let shell = offered.into_iter().find(|name| ["bash", "run_shell_command"].contains(name));
    let has_result = asked["messages"].as_array().is_some_and(|all| all.iter().any(|one| one["role"] == "tool"));
    let (delta, reason) = match shell.filter(|_| !has_result) {
        Some(name) => {
            let arguments = json!({"command": command, "description": "Look around", "is_background": false});
            let function = json!({"name": name, "arguments": arguments.to_string()});
            let calls = json!([{"index": 0, "id": "call_1", "type": "function", "function": function}]);
            (json!({"role": "assistant", "content": null, "tool_calls": calls}), "tool_calls")
        }
        None => (json!({"role": "assistant", "content": DONE}), "stop"),
    };
    let chunk = |delta: Value, reason: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": asked["model"],
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        })
    };
    vec![chunk(delta, Value::Null), chunk(json!({}), json!(reason))]
}

/// The next turn of a conversation with Gemini, in one piece; `None` where the agent offers no shell.
pub(crate) fn contents(asked: &Value, command: &str) -> Option<Value> {
    let name = "run_shell_command";
    if !asked["tools"].to_string().contains(&format!("\"{name}\"")) {
        return None;
    }
    let part = if asked["contents"].to_string().contains("\"functionResponse\"") {
        json!({"text": DONE})
    } else {
        json!({"functionCall": {"name": name, "args": {"command": command, "description": "Look around"}}})
    };
    let candidate = json!({"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0});
    let usage = json!({"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2});
    Some(json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-pro"}))
}
