"""The Japanese texts of the workspace's own pages."""

from __future__ import annotations

from chalicelib.domain.workspace import MemberRole
from chalicelib.wording.workspace_texts import MembersTexts, ShellTexts, WorkspaceTexts

WORKSPACE_TEXTS = WorkspaceTexts(
    shell=ShellTexts(
        skip="本文へ移動",
        navigation="ワークスペースのページ",
        pages={
            "overview": "概要",
            "bookings": "予約",
            "people": "ユーザー",
            "webhooks": "Webhook の送信",
            "calendars": "カレンダー",
            "brand": "ブランドとメール",
            "members": "メンバー",
            "keys": "API キー",
            "audit": "監査ログ",
        },
        roles={MemberRole.ADMIN: "管理者", MemberRole.SUPPORT: "サポート"},
        sign_out="ログアウト",
        more="次のページ",
        first="最初のページ",
        read_only="ここで変更できるのは管理者だけです。",
        sign_in_title="ワークスペースにログイン",
        sign_in_intro="メールアドレスを入力してください。ワークスペースのメンバーのアドレスであれば、リンクをメールでお送りします。",
        email="メールアドレス",
        send_link="リンクをメールで送る",
        sent_title="メールをご確認ください",
        sent="{email} がワークスペースのメンバーのアドレスであれば、リンクをお送りしています。リンクは10分以内に1回だけ使えます。",
        sent_late="数分待っても届かない場合は、迷惑メールフォルダーを確認するか、{again}。1時間に3回まで送信できます。",
        ask_again="もう一度リンクを送ってください",
        link_title="{workspace} にログイン",
        choose_title="ワークスペースを選択",
        link_intro="ログインすると、このブラウザーでワークスペースの予約を確認、管理できます。",
        sign_in_to="{workspace} にログイン",
        signed_out="ログアウトしました。",
        errors={
            "link_expired": "このリンクは期限が切れたか、すでに使われています。新しいリンクを送ってください。",
            "no_session": "ログインしてください。ログアウトしたか、セッションが終了したか、メンバーではなくなりました。",
            "csrf": "このフォームは古いため、何も変更されていません。もう一度お試しください。",
            "not_admin": "この操作ができるのはワークスペースの管理者だけです。",
        },
    ),
    members=MembersTexts(
        intro="メンバーはこれらのページを開けます。サポートはすべてを閲覧し、予約の再試行や、メールと Webhook の再送ができます。管理者は設定、メンバー、キーも変更できます。",
        email="メールアドレス",
        role="役割",
        actions="操作",
        you="あなた",
        remove="削除",
        remove_whom="（{email}）",
        change_role={MemberRole.ADMIN: "管理者にする", MemberRole.SUPPORT: "サポートにする"},
        add_title="メンバーを追加",
        add="追加",
        empty="メンバーはまだいません。",
        added="追加しました。このアドレスでログインできるようになりました。",
        removed="削除しました。この方のセッションは終了しました。",
        changed="役割を変更しました。",
        problems={
            "email": "メールアドレスの形式が正しくありません。",
            "exists": "このアドレスはすでにメンバーです。",
            "too_many": "メンバー数が上限に達しています。先に1人削除してください。",
            "yourself": "自分自身の削除や役割の変更はできません。ほかの管理者に依頼してください。",
        },
    ),
)
