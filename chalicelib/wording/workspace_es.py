"""The Spanish texts of the workspace's own pages."""

from __future__ import annotations

from chalicelib.domain.workspace import MemberRole
from chalicelib.wording.workspace_texts import MembersTexts, ShellTexts, WorkspaceTexts

WORKSPACE_TEXTS = WorkspaceTexts(
    shell=ShellTexts(
        skip="Ir al contenido",
        navigation="Páginas del espacio de trabajo",
        pages={
            "overview": "Resumen",
            "bookings": "Reservas",
            "people": "Personas",
            "webhooks": "Webhooks enviados",
            "calendars": "Calendarios",
            "brand": "Marca y correos",
            "members": "Miembros",
            "keys": "Claves de API",
            "audit": "Registro",
        },
        roles={MemberRole.ADMIN: "Administración", MemberRole.SUPPORT: "Asistencia"},
        sign_out="Cerrar sesión",
        more="Página siguiente",
        first="Primera página",
        read_only="Solo los administradores pueden cambiar algo aquí.",
        sign_in_title="Iniciar sesión en su espacio de trabajo",
        sign_in_intro="Introduzca su correo electrónico. Si pertenece a un miembro de un espacio de trabajo, le enviaremos un enlace.",
        email="Correo electrónico",
        send_link="Enviarme un enlace",
        sent_title="Revise su correo",
        sent="Si {email} pertenece a un miembro de un espacio de trabajo, un correo con un enlace está en camino. El enlace funciona una vez, durante diez minutos.",
        sent_late="¿Nada tras unos minutos? Mire en la carpeta de no deseados o {again}. Se pueden pedir tres enlaces por hora.",
        ask_again="pida otro enlace",
        link_title="Iniciar sesión en {workspace}",
        choose_title="Elegir un espacio de trabajo",
        link_intro="Inicie sesión para ver y gestionar las reservas del espacio de trabajo en este navegador.",
        sign_in_to="Iniciar sesión en {workspace}",
        signed_out="Ha cerrado la sesión.",
        errors={
            "link_expired": "Este enlace ha caducado o ya se ha usado. Pida otro.",
            "no_session": "Inicie sesión. Cerró la sesión, esta ha terminado o ya no es miembro.",
            "csrf": "Este formulario no está actualizado, así que no se ha cambiado nada. Inténtelo de nuevo.",
            "not_admin": "Solo los administradores del espacio de trabajo pueden hacerlo.",
        },
    ),
    members=MembersTexts(
        intro="Los miembros pueden abrir estas páginas. Asistencia lo lee todo, reintenta reservas y reenvía correos y webhooks. Los administradores también cambian los ajustes, los miembros y las claves.",
        email="Correo electrónico",
        role="Rol",
        actions="Acciones",
        you="usted",
        remove="Quitar",
        remove_whom="a {email} de los miembros",
        change_role={MemberRole.ADMIN: "Hacer administrador", MemberRole.SUPPORT: "Pasar a asistencia"},
        add_title="Añadir un miembro",
        add="Añadir",
        empty="Todavía no hay miembros.",
        added="Añadido. La persona ya puede iniciar sesión con esta dirección.",
        removed="Quitado. Las sesiones de la persona han terminado.",
        changed="Se ha cambiado el rol.",
        problems={
            "email": "No es una dirección de correo electrónico.",
            "exists": "Esta dirección ya pertenece a un miembro.",
            "too_many": "El espacio de trabajo tiene el máximo de miembros. Quite uno primero.",
            "yourself": "No puede quitarse a sí mismo ni cambiar su propio rol. Pídaselo a otro administrador.",
        },
    ),
)
