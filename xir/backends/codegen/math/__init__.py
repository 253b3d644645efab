"""Vector math: functions of one number as polynomials."""
