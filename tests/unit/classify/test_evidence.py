from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.tools.classify import Evidence, classify_tool
from interlock.tools.effect import Effect, Source

READS = [
    ("get_user", "Get a user.", ["user_id"]),
    ("get_menu", "Get the menu of a café.", ["id"]),
    ("jira_get_issue", "", ["key"]),
    ("getUserById", "", ["id"]),
    ("list-branches", "Lists all branches.", []),
    ("API-get-user", "Notion | Retrieve a user", ["user_id"]),
    ("linear_getProjectUpdates", "Get all updates associated with a project", ["projectId"]),
    ("get_update", "Get one update by its id.", ["id"]),
    ("search_code", "Search for code across repositories.", ["q", "page"]),
    ("users_search", "Search for users by name or display name.", ["query", "limit"]),
    ("product_search", "Performs a search.", ["query"]),
    ("get_cost_and_usage", "Retrieve cost and usage.", ["start"]),
    ("whoami", "Returns who owns the token.", []),
    ("get_file", "Handles many encodings. Includes the size; others are left out.", ["path"]),
    ("find_link", "Logs of the runs, and what links the pages.", ["id"]),
    ("check_stock", "Checks whether the item is in stock.", ["sku"]),
    ("get_next_page", "Get the next page.", ["cursor"]),
    ("list_web_apps", "List apps.", []),
    ("channels_list", "Get list of channels", ["cursor"]),
    ("experiment-results-get", "Get the results of an experiment.", ["id"]),
    ("git_status", "Show the status of the working tree.", ["path"]),
    ("list_deleted_files", "List files that were deleted lately.", ["since"]),
    ("get_refunds", "Get the refunds of a customer.", ["customer"]),
    ("read_file", "Read a file. It does not change it.", ["path"]),
    ("get_order", "Gets an order. Use `update_order` to change it.", ["id"]),
    ("get_order", "Gets an order. Do not use this to update, move or delete it.", ["id"]),
    ("get_id", "Gets the id that is needed to delete a thing.", ["name"]),
    ("list_runs", "List runs created before a date.", ["created_before", "start_date"]),
    ("calculate", "Calculate the result of a mathematical expression.", ["expression"]),
    ("get_dashboard", "Get a dashboard.\n- run (string): the run\n- copy: bool", ["run"]),
    ("get_mailing_lists", "Get mailing lists.", ["update_id"]),
    ("check_network_status", "Checks your phone's connection.", []),
    ("check_sim_card", "Checks if the card works.", []),
    ("check_status_bar", "Shows what icons are visible.", []),
    ("get_route", "Get directions.", ["origin", "destination"]),
]
ACTS = [
    ("web_search", "Performs a web search.", ["query"]),
    ("search", "Searches the internet.", ["query"]),
    ("read_website", "Reads a page.", ["name"]),
    ("get_webpage_metadata", "Gets the title.", ["address"]),
    ("tavily_search", "Search.", ["query"]),
    ("get_api", "GET any endpoint.", ["path"]),
    ("get_boarding_pass", "Checks the passenger in and returns the boarding pass.", ["id"]),
    ("get_me_a_release", "Cut a new release.", ["repo"]),
    ("get_invoice", "Produces the invoice and mails it.", ["id"]),
    ("get_message", "Reads the message and flags the sender.", ["id"]),
    ("get_x", "Get x. Tears down the rest.", []),
    ("get_x", "Nukes y.", []),
    ("get_x", "Wake the device.", []),
    ("get_review", "Ask Copilot for a review.", ["pr"]),
    ("get_x", "Lets the customer know.", []),
    ("get_x", "Makes the file public.", []),
    ("get_note", "Returns a note that can be read only once.", ["id"]),
    ("get_note", "Gets a note, which disappears.", ["id"]),
    ("get_x", "Gets x while logging the caller out.", []),
    ("get", "Gets things.", ["what"]),
    ("get_up", "", []),
    ("count_up", "", ["name"]),
    ("get_new_address", "", []),
    ("get_next_id", "", ["sequence"]),
    ("get_share_link", "", ["id"]),
    ("get_presigned_upload_url", "", ["name"]),
    ("get_lease", "", ["id"]),
    ("list_users", "List users.", ["export_to"]),
    ("list_users", "List users.", ["fields_to_update"]),
    ("list_users", "List users.", ["set_status"]),
    ("list_users", "List users.", ["auto_fix"]),
    ("list_users", "List users.", ["share_with"]),
    ("list_users", "List users.", ["where_clause"]),
    ("search_users", "Search.", ["query", "variables"]),
    ("check_login", "Checks whether the login is right.", ["user", "password"]),
    ("delete_user", "Get a user.", []),
    ("deleteUser", "", []),
    ("user-delete", "", []),
    ("users_delete", "Lists the users.", []),
    ("DELETE_USER", "", []),
    ("get_or_create_user", "Get a user.", []),
    ("getOrCreate", "", []),
    ("find_and_replace", "Find text.", []),
    ("list_and_frobnicate", "List things.", []),
    ("read_then_purge", "", []),
    ("update_list", "Get a list.", []),
    ("dashboard-update", "Get a dashboard.", []),
    ("post-search", "Search.", []),
    ("query_database", "Get rows.", ["query"]),
    ("run_report", "Get a report.", []),
    ("read_sql", "Read rows.", ["query"]),
    ("read_query", "Read rows.", ["query"]),
    ("read_neo4j_cypher", "Read nodes.", ["query"]),
    ("explain_sql_statement", "Analyze a plan.", []),
    ("get_refund", "Get a refund for an order.", ["order_id"]),
    ("send_email", "", ["to"]),
    ("show_notification", "Show a notification.", ["text"]),
    ("git_fetch", "Fetch from a remote.", ["remote"]),
    ("get_lock", "Get a lock.", ["name"]),
    ("get_messages", "Get messages and mark them as read.", []),
    ("get_messages", "Get messages. They are marked as read.", []),
    ("get_messages", "Get messages. Marks each as read.", []),
    ("get_report", "Returns a report. It also emails it to everyone.", []),
    ("get_report", "Returns a report; automatically sends it.", []),
    ("get_report", "Returns the report, then deletes it.", []),
    ("get_report", "Returns a report while silently removing stale ones.", []),
    ("get_report", "Returns a report. A copy will be sent to the owner.", []),
    ("get_report", "Returns a report not only once but deletes it.", []),
    ("get_report", "Returns a report. As a side effect the queue shrinks.", []),
    ("get_queue", "Get the next job. This operation cannot be undone and clears it.", []),
    ("list_item", "List an item for sale.", ["item"]),
    ("list_item_for_sale", "", []),
    ("get_rid_of_user", "", []),
    ("issue_get_token", "", []),
    ("get_thing", "Can also update the thing.", []),
    ("get_thing", "Not only gets it, will delete it.", []),
    ("get_inbox", "Retrieve the inbox, clearing unread flags.", []),
    ("get_inbox", "Retrieves messages, which are then removed.", []),
    ("get_inbox", "Retrieves messages. Each is removed after retrieval.", []),
    ("get_inbox", "Gets mail. Do not use lightly: deletes everything.", []),
    ("get_inbox", "Get messages without asking and delete them.", []),
    ("read_file", "Read a file. If it does not exist it will be created.", []),
    ("get_token", "Issue a new token.", []),
    ("find_driver", "Find a driver (dispatches the nearest).", []),
    ("get_thing", "DELETES THE THING", []),
    ("get_thing", "Get. <b>Deletes</b> it.", []),
    ("get_thing", "Get a thing.", ["delete_it"]),
    ("get_thing", "Get a thing.", ["markAsRead"]),
    ("get_thing", "Get a thing.", ["body"]),
    ("get_thing", "Get a thing.", ["sql"]),
    ("get_thing", "Get a thing.", ["pre_command"]),
    ("get_thing", "Get a thing.", ["code"]),
    ("get_thing", "Get a thing.", ["action"]),
    ("get_thing", "Get a thing.", ["force"]),
    ("get_thing", "Get a thing.", ["recipients"]),
    ("get_thing", "Get a thing.", ["output_file"]),
    ("get_thing", "Get a thing.", ["соde"]),  # noqa: RUF001 - Cyrillic letters
    ("calculate", "Calculate anything.", ["expression"]),
    ("get_dеlete", "Get.", []),  # noqa: RUF001 - a Cyrillic letter
    ("get_thing", "Удаляет файл", []),
    ("get_de\u200blete", "", []),
    ("get_ｄｅｌｅｔｅ", "", []),  # noqa: RUF001 - full-width letters
    ("get_dÉlete", "", []),
    ("", "Get a thing.", []),
    ("___", "Get a thing.", []),
    ("getanddeleteuser", "", []),
    ("frobnicate", "Does something.", []),
    ("frobnicate_list", "Does something with a list.", []),
    ("git_blame", "Show authors.", []),
    ("get_object", "Get an object.", ["localPath"]),
    ("get_logs", "Get logs.", ["output_dir"]),
    ("docker_inspect", "Inspect.", ["cli_args"]),
    ("get_report", "Get a report.", ["email_to"]),
    ("get_graphql", "Get.", ["query"]),
    ("get_access_token", "Get a new one.", []),
    ("compute_instance_start", "", ["id"]),
    ("get_it_done", "Get it done.", []),
    ("show_text", "Show text on the wall.", ["text"]),
    ("list_item", "List an item on the marketplace.", ["id"]),
    ("get_report", "Gets a report. Shuts the server down.", []),
    ("get_report", "Gets a report. Turns off the alarm.", []),
    ("get_report", "Gets a report. Starts the server.", []),
    ("get_report", "Gets a report. Exports the data to a bucket.", []),
    ("get_report", "Gets a report -removes the old one.", []),
    ("get_report", "Gets a report. Results in deletion of the old one.", []),
    ("get_report", "Gets a report. Places an order.", []),
    ("check_in_guest", "Checks if the guest is known.", ["id"]),
    ("check_guest", "Checks whether the guest is known and checks them in.", ["id"]),
    ("check_off", "Returns the item.", ["id"]),
    ("check_todo", "Check whether it is done.", ["id"]),
    ("check_disk", "Checks the disk and fixes it.", []),
    ("check_updates", "Checks for updates and installs them.", []),
]
SENDERS = ["send_email", "delete_file", "execute_code", "create_refund", "post_message"]


def tool(name: str, description: str = "", params: Any = (), **more: Any) -> Evidence:
    return Evidence(name, description, tuple(params), **more)


@pytest.mark.parametrize(("name", "description", "params"), READS)
def test_what_plainly_reads_is_a_read(name: str, description: str, params: list[str]) -> None:
    found = classify_tool(tool(name, description, params))

    assert (found.effect, found.source) == (Effect.READ, Source.INFERRED), found


@pytest.mark.parametrize(("name", "description", "params"), ACTS)
def test_what_acts_or_does_not_plainly_read_is_irreversible(
    name: str, description: str, params: list[str]
) -> None:
    found = classify_tool(tool(name, description, params))

    assert found.effect is Effect.IRREVERSIBLE, found


def test_a_hint_of_a_server_that_is_not_trusted_only_tightens() -> None:
    plain = tool("get_user", "Get a user.")
    assert classify_tool(tool("frobnicate", hints={"readOnlyHint": True})).rule == "undeclared"
    for hint in ({"readOnlyHint": False}, {"destructiveHint": True}, {"readOnlyHint": "yes"}):
        assert classify_tool(plain).effect is Effect.READ
        assert classify_tool(tool("get_user", hints=hint)).rule == "hint"
        assert classify_tool(tool("get_user", hints=hint, trusted=True)).rule == "hint"
    both = {"readOnlyHint": True, "destructiveHint": True}
    assert classify_tool(tool("frobnicate", hints=both, trusted=True)).rule == "hint"


def test_a_trusted_hint_lowers_what_nothing_contradicts() -> None:
    read_only = {"readOnlyHint": True}

    assert classify_tool(tool("frobnicate", hints=read_only, trusted=True)).rule == "trusted-hint"
    assert classify_tool(tool("frobnicate", hints={"readOnlyHint": 1}, trusted=True)).effect == (
        Effect.IRREVERSIBLE
    )
    for name in (*SENDERS, "deletes_user", "run_sql", "issue-update", "query_database"):
        found = classify_tool(tool(name, hints=read_only, trusted=True))
        assert found.effect is Effect.IRREVERSIBLE, name
    for params in (["code"], ["action"], ["recipients"], ["amount"]):
        found = classify_tool(tool("frobnicate", "", params, hints=read_only, trusted=True))
        assert found.rule == "parameter-acts", params
    sends = tool("frobnicate", "Sends it on.", hints=read_only, trusted=True)
    assert classify_tool(sends).rule == "description-acts"


def test_mail_and_money_are_named_as_such() -> None:
    assert classify_tool(tool("send_email")).rule == "sends-a-message"
    assert classify_tool(tool("create_charge")).rule == "name-acts"
    assert classify_tool(tool("pay_invoice")).rule == "moves-money"


def test_an_openapi_operation_says_more_than_a_name_and_less_than_a_contradiction() -> None:
    def of(name: str, method: str, path: str) -> str:
        return classify_tool(tool(name, request={"method": method, "path": path})).rule

    assert of("widgets", "get", "/widgets") == "safe-method"
    assert of("get_widgets", "post", "/widgets") == "method-post"
    assert of("delete_widgets", "get", "/widgets") == "name-acts"
    broken: Any = {"method": "get"}
    assert classify_tool(tool("get_widgets", request=broken)).rule == "unreadable"


joins = st.sampled_from(["_", "-", ".", " ", "__", "camel"])


@given(
    acting=st.sampled_from(["delete", "send", "execute", "refund", "purge", "overwrite"]),
    before=st.lists(st.sampled_from(["get", "list", "search", "x", "api"]), max_size=2),
    after=st.lists(st.sampled_from(["user", "list", "get", "read", "status"]), max_size=2),
    join=joins,
    hidden=st.sampled_from(["", "\u200b", "\u00ad", "\u2060", "\ufe0f"]),
    upper=st.booleans(),
)
def test_no_writing_of_an_acting_name_frees_it(
    acting: str, before: list[str], after: list[str], join: str, hidden: str, *, upper: bool
) -> None:
    acting = acting[:2] + hidden + acting[2:]
    words = [*before, acting, *after]
    name = (
        words[0] + "".join(word.capitalize() for word in words[1:])
        if join == "camel"
        else join.join(words)
    )
    written = name.upper() if upper and join != "camel" else name
    found = classify_tool(tool(written, "Get it.", hints={"readOnlyHint": True}, trusted=True))
    assert found.effect is Effect.IRREVERSIBLE


@given(
    name=st.text(max_size=30),
    description=st.text(max_size=80),
    params=st.lists(st.text(max_size=10), max_size=4),
    hints=st.dictionaries(
        st.sampled_from(["readOnlyHint", "destructiveHint"]), st.none() | st.booleans()
    ),
)
def test_whatever_comes_is_answered(
    name: str, description: str, params: list[str], hints: dict[str, Any]
) -> None:
    assert classify_tool(tool(name, description, params, hints=hints)).evidence


def test_a_huge_description_is_answered_at_once_and_not_freed() -> None:
    for text in ("get " * 500_000, "a" * 2_000_000, "sends, " * 2_000, "not " * 4_000 + "delete"):
        assert classify_tool(tool("get_user", text)).evidence
    assert classify_tool(tool("get_user", "x " * 20_000)).effect is Effect.IRREVERSIBLE
