/* For each calendar file named: whether libical finds it right by iTIP's rules (RFC 5546), how many errors it noted
   while reading and checking, when the event starts and ends (seconds since 1970), its attendees, sequence and UID.
   One line a file, parted by tabs. */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>

static char *contents(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    if (file == NULL || text == NULL || fread(text, 1, (1 << 20) - 1, file) == 0)
        exit(2);
    fclose(file);
    return text;
}

int main(int count, char **paths)
{
    icalerror_set_errors_are_fatal(0);
    for (int at = 1; at < count; at++) {
        char *text = contents(paths[at]);
        icalcomponent *calendar = icalparser_parse_string(text);
        if (calendar == NULL) {
            printf("0\t1\t0\t0\t0\t0\t\n");
            continue;
        }
        int right = icalrestriction_check(calendar);
        int errors = icalcomponent_count_errors(calendar);
        icalcomponent *event = icalcomponent_get_first_component(calendar, ICAL_VEVENT_COMPONENT);
        if (event == NULL) {
            printf("0\t%d\t0\t0\t0\t0\t\n", errors + 1);
            continue;
        }
        const char *uid = icalcomponent_get_uid(event);
        printf("%d\t%d\t%lld\t%lld\t%d\t%d\t%s\n", right, errors,
               (long long)icaltime_as_timet(icalcomponent_get_dtstart(event)),
               (long long)icaltime_as_timet(icalcomponent_get_dtend(event)),
               icalcomponent_count_properties(event, ICAL_ATTENDEE_PROPERTY),
               icalcomponent_get_sequence(event), uid ? uid : "");
        icalcomponent_free(calendar);
        free(text);
    }
    return 0;
}
