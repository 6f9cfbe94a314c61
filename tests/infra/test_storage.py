"""What holds people's photos: encrypted, closed, short-lived, never replaced by accident."""

from __future__ import annotations

from typing import Any

from tests.infra.synthesized import Synthesized

# A changed logical id replaces the resource and leaves the old one, with its photos, behind.
STATEFUL = {
    "InboxA8E05DC3": "AWS::S3::Bucket",
    "MediaA721A567": "AWS::S3::Bucket",
    "TableCD117FA1": "AWS::DynamoDB::Table",
    "Keytryiton": "AWS::SecretsManager::Secret",
    "Keyfashn": "AWS::SecretsManager::Secret",
    "Keyastria": "AWS::SecretsManager::Secret",
    "Keyfal": "AWS::SecretsManager::Secret",
    "Keygemini": "AWS::SecretsManager::Secret",
    "Keyaidge": "AWS::SecretsManager::Secret",
}
ADDRESSED = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::IAM::Role": "RoleName",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}


def _buckets(stage: Synthesized) -> dict[str, dict[str, Any]]:
    return {name[:5]: bucket for name, bucket in stage.storage.of("AWS::S3::Bucket").items()}


def _rules(bucket: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["Prefix"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}


def test_stateful_resources_keep_their_logical_ids(stage: Synthesized) -> None:
    found = {
        name: item["Type"] for name, item in stage.storage.resources.items() if item["Type"] != "AWS::S3::BucketPolicy"
    }
    assert found == STATEFUL


def test_a_team_s_stage_outlives_its_stacks_and_a_trial_does_not(dev: Synthesized, prod: Synthesized) -> None:
    for stage, policy in ((dev, "Delete"), (prod, "Retain")):
        for name in STATEFUL:
            kept = stage.storage.resources[name]
            assert (kept["DeletionPolicy"], kept["UpdateReplacePolicy"]) == (policy, policy), name


def test_nothing_that_a_failed_deployment_may_leave_behind_has_a_fixed_name(stage: Synthesized) -> None:
    for stack in stage.stacks:
        for kind, key in ADDRESSED.items():
            assert not [name for name, item in stack.of(kind).items() if key in item]


def test_buckets_are_encrypted_closed_and_unversioned(stage: Synthesized) -> None:
    for bucket in _buckets(stage).values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert "VersioningConfiguration" not in bucket


def test_buckets_refuse_plain_http(stage: Synthesized) -> None:
    found = stage.storage.of("AWS::S3::BucketPolicy").values()
    policies = {item["Bucket"]: item["PolicyDocument"]["Statement"] for item in found}
    assert policies.keys() == {f"${{{name}}}" for name in stage.storage.of("AWS::S3::Bucket")}
    for statements in policies.values():
        (deny,) = (s for s in statements if s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}})
        assert (deny["Effect"], deny["Action"], deny["Principal"]) == ("Deny", "s3:*", {"AWS": "*"})
        assert not [s for s in statements if s["Effect"] == "Allow"]


def test_pictures_expire_by_prefix(dev: Synthesized, prod: Synthesized) -> None:
    for stage, results in ((dev, 30), (prod, 14)):
        days = {
            name: {prefix: rule["ExpirationInDays"] for prefix, rule in _rules(bucket).items()}
            for name, bucket in _buckets(stage).items()
        }
        assert days == {"Inbox": {"uploads/": 3, "drop/": 3}, "Media": {"staging/": 3, "results/": results}}
        for bucket in _buckets(stage).values():
            for rule in _rules(bucket).values():
                assert rule["Status"] == "Enabled"
                assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_browsers_of_the_allowed_origins_may_post_uploads_and_get_results(dev: Synthesized, prod: Synthesized) -> None:
    allowed = {
        name: [(rule["AllowedMethods"], rule["AllowedOrigins"]) for rule in bucket["CorsConfiguration"]["CorsRules"]]
        for name, bucket in _buckets(prod).items()
    }
    assert allowed == {"Inbox": [(["POST"], ["https://shop.example"])], "Media": [(["GET"], ["https://shop.example"])]}
    assert not [bucket for bucket in _buckets(dev).values() if "CorsConfiguration" in bucket]


def test_only_the_inbox_sends_events_and_without_a_helper_function(stage: Synthesized) -> None:
    buckets = _buckets(stage)
    assert buckets["Inbox"]["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert "NotificationConfiguration" not in buckets["Media"]
    kinds = {item["Type"] for stack in stage.stacks for item in stack.resources.values()}
    assert not [kind for kind in kinds if kind.startswith("Custom::") or "CustomResource" in kind]
    assert not stage.storage.of("AWS::Lambda::Function")


def test_the_table_forgets_what_expired_and_finds_what_is_due_and_a_tenant_s_jobs(stage: Synthesized) -> None:
    _, table = stage.storage.one("AWS::DynamoDB::Table")
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert [(key["AttributeName"], key["KeyType"]) for key in table["KeySchema"]] == [("pk", "HASH"), ("sk", "RANGE")]
    due, listed = table["GlobalSecondaryIndexes"]
    assert (due["IndexName"], listed["IndexName"]) == ("due", "listed")
    assert [(key["AttributeName"], key["KeyType"]) for key in due["KeySchema"]] == [
        ("due_shard", "HASH"),
        ("due_at", "RANGE"),
    ]
    assert due["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert [(key["AttributeName"], key["KeyType"]) for key in listed["KeySchema"]] == [
        ("listed", "HASH"),
        ("id", "RANGE"),
    ]
    assert listed["Projection"] == {
        "ProjectionType": "INCLUDE",
        "NonKeyAttributes": ["task", "owner", "reference", "batch"],
    }
    assert {item["AttributeType"] for item in table["AttributeDefinitions"]} == {"S"}


def test_a_team_s_table_can_be_recovered_and_not_be_deleted_by_mistake(dev: Synthesized, prod: Synthesized) -> None:
    for stage, protected in ((dev, False), (prod, True)):
        _, table = stage.storage.one("AWS::DynamoDB::Table")
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": protected}
        assert table["DeletionProtectionEnabled"] is protected


def test_secrets_begin_empty_so_that_no_random_value_passes_for_a_key(stage: Synthesized) -> None:
    for secret in stage.storage.of("AWS::SecretsManager::Secret").values():
        assert not {"SecretString", "GenerateSecretString"} & secret.keys()


def test_what_the_service_uses_is_exported_for_good(stage: Synthesized) -> None:
    exported = {stage.storage.resolve(out["Value"]) for out in stage.storage.raw["Outputs"].values()}
    assert exported == {
        "${TableCD117FA1}",
        "${TableCD117FA1.Arn}",
        "${InboxA8E05DC3}",
        "${InboxA8E05DC3.Arn}",
        "${MediaA721A567}",
        "${MediaA721A567.Arn}",
        "${Keytryiton.Id}",
        "${Keyfashn.Id}",
        "${Keyastria.Id}",
        "${Keyaidge.Id}",
        "${Keyfal.Id}",
        "${Keygemini.Id}",
    }


def test_a_stage_s_own_key_encrypts_all_that_is_stored_and_every_function_may_use_it(every: Synthesized) -> None:
    key, settings = every.storage.one("AWS::KMS::Key")
    arn = f"${{{key}.Arn}}"
    assert settings["EnableKeyRotation"] is True
    for bucket in _buckets(every).values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {
            "BucketKeyEnabled": True,
            "ServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": arn},
        }
    _, table = every.storage.one("AWS::DynamoDB::Table")
    assert table["SSESpecification"] == {"KMSMasterKeyId": arn, "SSEEnabled": True, "SSEType": "KMS"}
    assert {each["KmsKeyId"] for each in every.storage.of("AWS::SecretsManager::Secret").values()} == {arn}
    for kind, name in {
        "AWS::Lambda::Function": "KmsKeyArn",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SQS::Queue": "KmsMasterKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
    }.items():
        assert {each[name] for each in every.service.of(kind).values()} == {arn}, kind
    users = {role for role, s in every.statements() if "kms:GenerateDataKey" in s["Action"] and arn in s["Resource"]}
    assert users == every.functions().keys()


def test_the_policies_of_the_account_and_the_services_that_store_on_their_own_may_use_the_key_too(
    every: Synthesized,
) -> None:
    _, settings = every.storage.one("AWS::KMS::Key")
    account, *_ = settings["KeyPolicy"]["Statement"]  # the roles of tenants rest on it: their policies name the key
    assert (account["Action"], account["Principal"]) == (
        "kms:*",
        {"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"},
    )
    services = [statement["Principal"].get("Service") for statement in settings["KeyPolicy"]["Statement"]]
    assert [service for service in services if service] == [
        "logs.${AWS::Region}.amazonaws.com",
        ["cloudwatch.amazonaws.com", "events.amazonaws.com"],
    ]
